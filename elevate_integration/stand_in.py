"""What stands in for an identifier that was forgotten: a keyed digest. Knows Django's secret key, and no table.

It answers one question, "is it this one?", for whoever has the identifier and the secret key, and names nobody. The key
is derived from SECRET_KEY; a former one goes on being recognised while it is among SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from django.conf import settings

_MARK = "forgotten:"
# Hexadecimal digits, half of SHA-256's: far more than there can be members.
_LENGTH = 32


def stand_in(text: str) -> str:
    """Give what is kept in place of an identifier; `""` and stand-ins come back as they are."""
    return _digest(_keys()[0], text) if text and not is_stand_in(text) else text


def stand_ins(text: str) -> tuple[str, ...]:
    """Give everything that may have been kept in place of an identifier, under this and former secret keys."""
    if not text or is_stand_in(text):
        return ()
    return tuple(_digest(key, text) for key in _keys())


def is_stand_in(text: str) -> bool:
    """Tell a stand-in from an identifier."""
    return text.startswith(_MARK)


def _digest(key: bytes, text: str) -> str:
    # A lone surrogate is never stored, but may be asked about.
    digest = hmac.digest(key, text.encode("utf-8", "replace"), "sha256")
    return _MARK + digest.hex()[:_LENGTH]


def _keys() -> tuple[bytes, ...]:
    return _derived((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _derived(secrets: tuple[str | bytes, ...]) -> tuple[bytes, ...]:
    raw = (secret if isinstance(secret, bytes) else secret.encode() for secret in secrets)
    return tuple(hashlib.sha256(b"elevate_integration.stand_in" + secret).digest() for secret in raw)
