"""The API key as it is now: text, a callable, or a file that is read again and again. Shows it to nobody.

A running worker asks before each call, so that a new key counts from the next call on, without a restart.
"""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.signals import setting_changed

from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger

logger = get_logger(__name__)

# Seconds for which a key from a file or a callable is not asked for again.
LOOK_AGAIN = 2.0


class Key(str):
    """An API key among the variables of a traceback, where its `repr` is what is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "[key]"


class NoKey(ValueError):  # noqa: N818 - an answer rather than a failure
    """What was read holds no key; its text says why, without a word of it."""


class _Looked:
    """What this process saw last."""

    def __init__(self) -> None:
        # A callable that asks for the key itself comes to an error of its own, and never to a standstill.
        self.lock = threading.RLock()
        self.forget()

    def __repr__(self) -> str:
        return "[key]"

    def forget(self) -> None:
        self.key = Key()
        self.at = float("-inf")
        self.problem = ""
        self.changed = False


_looked = _Looked()


def api_key() -> str:
    """Give the key for the next call; `""` while there never was one.

    A file or callable that fails is logged once, and the last key that it gave goes on being used.
    """
    settings = conf()
    if not settings.api_key_file and not callable(settings.api_key):
        return Key(settings.api_key)
    with _looked.lock:
        if monotonic() - _looked.at >= LOOK_AGAIN:
            _looked.at = monotonic()
            _look(settings.api_key_file, settings.api_key)
        return _looked.key


def take_change() -> bool:
    """Tell, once, whether this process saw one key take the place of another."""
    api_key()
    with _looked.lock:
        changed, _looked.changed = _looked.changed, False
    return changed


def read_key_file(path: str) -> str:
    """Read a key file. Raises OSError, UnicodeError, and NoKey when it holds no key, or more than one line."""
    return _key_in(Path(path).read_text(encoding="utf-8-sig"))


def why_unreadable(error: Exception) -> str:
    """Say why no key could be read. Of errors that are not ours the kind alone: their texts might quote the key."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, NoKey):
        return str(error)
    return "it is not UTF-8" if isinstance(error, UnicodeError) else type(error).__name__


def _key_in(text: Any) -> Key:
    if not isinstance(text, str):
        raise NoKey("it is no text")
    key = Key(text.strip())
    del text  # Not among the variables of a traceback.
    if not key:
        raise NoKey("it is empty")
    if len(key.splitlines()) > 1:
        raise NoKey("it has more than one line")
    return key


def _look(path: str, source: Any) -> None:
    key, problem = Key(), ""
    try:
        key = Key(read_key_file(path)) if path else _key_in(source())
    except Exception as error:  # noqa: BLE001 - a host's callable may raise anything
        problem = why_unreadable(error)
    if problem and problem != _looked.problem:
        where = path or 'the callable in ELEVATE["API_KEY"]'
        logger.error(
            "No API key could be read from %s: %s. The last key goes on being used.",
            where,
            problem,
            extra=event("elevate.key.unreadable"),
        )
    _looked.problem = problem
    if problem or key == _looked.key:
        return
    if _looked.key:
        logger.info(
            "The API key changed; the next call takes the new one.", extra=event("elevate.key.changed")
        )
        _looked.changed = True
    _looked.key = key


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "ELEVATE":
        with _looked.lock:
            _looked.forget()


setting_changed.connect(_forget, dispatch_uid="elevate_integration.keys")
