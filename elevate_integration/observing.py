"""What services do, told to whoever measures: they call these two functions, extras fill them. Knows neither of them.

Costs no query and next to no time where nobody observes. An observer that fails is logged, and disturbs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from elevate_integration.events import event, get_logger

logger = get_logger(__name__)

# Ends a step: gets all keys, and the name of the class of the error that ended it, or "".
End = Callable[[dict[str, Any], str], None]


class Observer(Protocol):
    """Whoever measures. Called in the threads that do the work, so it must be quick; it gets no personal data."""

    def begin(self, step: str, keys: dict[str, Any]) -> End | None:
        """Hear that a step begins, and give what hears its end; None where the step is of no interest."""

    def happened(self, what: str, keys: dict[str, Any]) -> None:
        """Hear of something that takes no time."""


_observers: tuple[Observer, ...] = ()
# Kinds of failure that were logged: each once, or a full disk would fill the log with every call.
_known: set[tuple[type, type]] = set()


def set_observers(*observers: Observer) -> None:
    """Name who observes from now on; nobody without arguments."""
    global _observers
    _observers = observers
    _known.clear()


def observed() -> bool:
    """Tell whether anybody observes, for callers that would have to work out what to tell."""
    return bool(_observers)


class Step:
    """One step under observation, as a context manager. What ends it by raising is raised on."""

    def __init__(self, name: str, keys: dict[str, Any]) -> None:
        self._name = name
        self._keys = keys
        self._ends: list[tuple[Observer, End]] = []

    def note(self, **keys: Any) -> None:
        """Say more about the step, such as how it ended."""
        self._keys.update(keys)

    def __enter__(self) -> Step:
        for observer in _observers:
            try:
                end = observer.begin(self._name, self._keys)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises, the work goes on
                _failed(observer, error)
            else:
                if end is not None:
                    self._ends.append((observer, end))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for observer, end in reversed(self._ends):
            try:
                end(self._keys, "" if kind is None else kind.__name__)
            except Exception as failure:  # noqa: BLE001 - whatever an observer raises, the work goes on
                _failed(observer, failure)


class _Unobserved(Step):
    def note(self, **keys: Any) -> None:
        pass

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *args: Any) -> None:
        pass


_UNOBSERVED = _Unobserved("", {})


def step(name: str, **keys: Any) -> Step:
    """Give a context manager for one of the steps `capture`, `sync`, `claim`, `call`; see `docs/watching.md`."""
    return Step(name, keys) if _observers else _UNOBSERVED


def tell(what: str, **keys: Any) -> None:
    """Tell of something that takes no time, such as a new status."""
    for observer in _observers:
        try:
            observer.happened(what, keys)
        except Exception as error:  # noqa: BLE001 - whatever an observer raises, the work goes on
            _failed(observer, error)


def _failed(observer: Observer, error: Exception) -> None:
    kind = (type(observer), type(error))
    if kind not in _known:
        _known.add(kind)
        text = "%s cannot measure; this kind of failure is logged once."
        logger.error(text, type(observer).__name__, exc_info=error, extra=event("elevate.observer.failed"))
