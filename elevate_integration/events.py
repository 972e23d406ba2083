"""What the log says: events with stable names and keys, and no personal data. `docs/watching.md` lists them.

Texts of errors may hold names and addresses (a database quotes the row that it refused, a host's source what it could
not read), so tracebacks are logged without them unless LOG_ERROR_TEXTS asks for them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from elevate_integration.conf import conf

WITHHELD = "text withheld, see LOG_ERROR_TEXTS"


def event(name: str, **keys: Any) -> dict[str, Any]:
    """Give the `extra` of a log call: the event's stable name, and what it is about by stable keys.

    Order references, primary keys and numbers may stand there; names, addresses and user IDs may not.
    """
    return {"event": name, **keys}


def get_logger(name: str) -> logging.LoggerAdapter:
    """Give the logger of a module. It leaves the texts of errors out of tracebacks."""
    return _Logger(logging.getLogger(name), {})


class _Logger(logging.LoggerAdapter):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        error = kwargs.get("exc_info")
        if error and not _texts_are_wanted():
            found = error if isinstance(error, BaseException) else sys.exception()
            kwargs["exc_info"] = None if found is None else without_text(found)
        return msg, kwargs


def _texts_are_wanted() -> bool:
    try:
        return conf().log_error_texts
    except ImproperlyConfigured:
        return False


def without_text(error: BaseException) -> BaseException:
    """Give an error that is shown as this one, with its causes and where they were raised, but without the texts."""
    return _without_text(error, {})


def _without_text(error: BaseException, made: dict[int, BaseException]) -> BaseException:
    if id(error) in made:
        return made[id(error)]
    kind = type(error)
    shown: BaseException = _wordless(kind.__module__, kind.__name__, kind.__qualname__)(_code(error))
    made[id(error)] = shown
    shown.__traceback__ = error.__traceback__
    if error.__cause__ is not None:
        shown.__cause__ = _without_text(error.__cause__, made)
    if error.__context__ is not None:
        shown.__context__ = _without_text(error.__context__, made)
    shown.__suppress_context__ = error.__suppress_context__
    return shown


@lru_cache(maxsize=200)
def _wordless(module: str, name: str, qualname: str) -> type[Exception]:
    """Give a class of the same name, so that log and error tracker group its errors as ever."""
    return type(name, (_Wordless,), {"__module__": module, "__qualname__": qualname})


class _Wordless(Exception):  # noqa: N818 - it takes over another's name
    def __str__(self) -> str:
        return f"({WITHHELD}{self.args[0]})"


def _code(error: BaseException) -> str:
    """Give what a driver or the system calls the error by: a code says much, and nothing of anybody."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return f"; SQLSTATE {state}"
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f"; errno {error.errno}"
    number = error.args[0] if error.args and type(error).__module__.startswith("MySQLdb") else None
    return f"; error {number}" if isinstance(number, int) else ""
