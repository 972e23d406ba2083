"""The API key as it is now: text, a callable, or a file that is read again when it changes. Shows it to nobody.

A running worker asks before each call, so that a new key counts from the next call on, without a restart.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.signals import setting_changed

from elevate_integration.conf import conf

logger = logging.getLogger(__name__)

# Seconds for which a key from a file or a callable is not asked for again.
LOOK_AGAIN = 2.0


class _Looked:
    """What this process saw last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.forget()

    def __repr__(self) -> str:
        return "[key]"

    def forget(self) -> None:
        self.key = ""
        self.at = float("-inf")
        self.stamp: tuple[int, int, int] | None = None
        self.problem = ""
        self.changed = False


_looked = _Looked()


def api_key() -> str:
    """Give the key for the next call; `""` while there never was one.

    A file or callable that fails is logged once, and the last key that it gave goes on being used.
    """
    settings = conf()
    if not settings.api_key_file and not callable(settings.api_key):
        return str(settings.api_key)
    with _looked.lock:
        if monotonic() - _looked.at >= LOOK_AGAIN:
            _look(settings.api_key_file, settings.api_key)
            _looked.at = monotonic()
        return _looked.key


def take_change() -> bool:
    """Tell, once, whether this process saw one key take the place of another."""
    api_key()
    with _looked.lock:
        changed, _looked.changed = _looked.changed, False
    return changed


def read_key_file(path: str) -> str:
    """Read a key file. Raises OSError, and ValueError when it holds no key, or more than one line."""
    text = Path(path).read_text(encoding="utf-8").strip()
    if not text:
        raise ValueError("it is empty")
    if len(text.splitlines()) > 1:
        raise ValueError("it has more than one line")
    return text


def _look(path: str, source: Any) -> None:
    problem = ""
    stamp = None
    try:
        if path:
            found = Path(path).stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == _looked.stamp:
                return
            key = read_key_file(path)
        else:
            key = str(source() or "").strip()
            problem = "" if key else "it gave no key"
    except OSError as error:
        key, problem = "", error.strerror or type(error).__name__
    except ValueError as error:
        # A file that is not UTF-8 would quote its bytes.
        key, problem = "", type(error).__name__ if isinstance(error, UnicodeError) or not path else str(error)
    except Exception as error:  # noqa: BLE001 - whatever a host's callable raises: its text might quote the key
        key, problem = "", type(error).__name__
    if problem and problem != _looked.problem:
        where = path or 'the callable in ELEVATE["API_KEY"]'
        logger.error("No API key could be read from %s: %s. The last key goes on being used.", where, problem)
    _looked.problem = problem
    if problem:
        return
    _looked.stamp = stamp
    if key != _looked.key:
        if _looked.key:
            logger.info("The API key changed; the next call takes the new one.")
            _looked.changed = True
        _looked.key = key


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "ELEVATE":
        with _looked.lock:
            _looked.forget()


setting_changed.connect(_forget, dispatch_uid="elevate_integration.keys")
