"""Faults on demand: which there are, and the queue they wait in.

| fault | stores first | what the client sees | options |
| --- | --- | --- | --- |
| status | no | this status and body instead of an answer | status=500, body="", headers={} |
| store_then_status | yes | the same, although the work was done | status=500, body="", headers={} |
| refuse | no | `error_messages` with this text | message, field="registration" |
| echo_key | no | `error_messages` that contains the API key it was sent | - |
| html | no | an HTML error page, as a proxy sends it | status=502 |
| latency | yes | the right answer, this much later; it is stored after the wait | seconds=1 |
| dribble | yes | the right answer, a byte at a time | interval=0.05 (seconds) |
| huge | yes | the right answer with a very long further field | size=10000000 (bytes) |
| endless | yes | a body that never ends | - |
| close_half | yes | half of the right answer, then the connection closes | - |
| garbage | yes | 200 and bytes that are not JSON | - |
| wrong_type | yes | the right answer inside a JSON list | - |
| no_id | yes | the right answer without `registration_id` | - |
| nul | yes | the right answer with a NUL at the end of each text | - |
| hang | no | nothing at all until the server stops | - |
| reset_before_reading | no | a connection reset; the body was never read | - |
| reset_after_storing | yes | a connection reset, although the work was done | - |

"Stores" means that it does what an undisturbed call would do: a request that Elevate would refuse is not stored.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_ANSWER_INSTEAD: dict[str, Any] = {"status": 500, "body": "", "headers": {}}


@dataclass(frozen=True)
class FaultKind:
    """Whether the work is done before things go wrong, and the options with their defaults."""

    stores: bool
    defaults: Mapping[str, Any] = field(default_factory=dict)


FAULT_KINDS: dict[str, FaultKind] = {
    "status": FaultKind(stores=False, defaults=_ANSWER_INSTEAD),
    "store_then_status": FaultKind(stores=True, defaults=_ANSWER_INSTEAD),
    "refuse": FaultKind(
        stores=False, defaults={"message": "The registration was refused.", "field": "registration"}
    ),
    "echo_key": FaultKind(stores=False),
    "html": FaultKind(stores=False, defaults={"status": 502}),
    "latency": FaultKind(stores=True, defaults={"seconds": 1.0}),
    "dribble": FaultKind(stores=True, defaults={"interval": 0.05}),
    "huge": FaultKind(stores=True, defaults={"size": 10_000_000}),
    "endless": FaultKind(stores=True),
    "close_half": FaultKind(stores=True),
    "garbage": FaultKind(stores=True),
    "wrong_type": FaultKind(stores=True),
    "no_id": FaultKind(stores=True),
    "nul": FaultKind(stores=True),
    "hang": FaultKind(stores=False),
    "reset_before_reading": FaultKind(stores=False),
    "reset_after_storing": FaultKind(stores=True),
}


@dataclass(frozen=True)
class Fault:
    """One entry of the queue; `times` counts down, None stays until cleared."""

    name: str
    times: int | None
    path: str | None
    options: Mapping[str, Any]

    @property
    def stores(self) -> bool:
        return FAULT_KINDS[self.name].stores

    def as_json(self) -> dict[str, Any]:
        return {"fault": self.name, "times": self.times, "path": self.path, **self.options}


class FaultQueue:
    """Faults for the next matching POSTs, in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def fail(self, fault: str, times: int | None = 1, path: str | None = None, **options: Any) -> None:
        """Spoil the next `times` POSTs (None: until cleared), only those to `path` if given.

        The table at the top of this module names the faults. Raises ValueError for what it does not know.
        """
        kind = FAULT_KINDS.get(fault)
        if kind is None:
            raise ValueError(f"Unknown fault {fault!r}. Known: {', '.join(FAULT_KINDS)}.")
        _check_bounds(times, path)
        for name, value in options.items():
            _check_option(fault, kind, name, value)
        entry = Fault(fault, times, path, {**kind.defaults, **options})
        with self._lock:
            self._waiting.append(entry)

    def take(self, path: str) -> Fault | None:
        """The fault for a POST to `path`, counted down."""
        with self._lock:
            for position, fault in enumerate(self._waiting):
                if fault.path is None or fault.path == path:
                    self._count_down(position, fault)
                    return fault
        return None

    def _count_down(self, position: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._waiting[position]
        elif fault.times is not None:
            self._waiting[position] = replace(fault, times=fault.times - 1)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)

    def __len__(self) -> int:
        return len(self.waiting())


def _check_bounds(times: object, path: object) -> None:
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise ValueError("times must be a whole number from 1, or None for 'until cleared'.")
    if path is not None and not (isinstance(path, str) and path.startswith("/")):
        raise ValueError("path must be a path such as /api/registrations.")


def _check_option(fault: str, kind: FaultKind, name: str, value: object) -> None:
    if name not in kind.defaults:
        raise ValueError(
            f"The fault {fault!r} takes no {name!r}. It takes: {', '.join(kind.defaults) or 'none'}."
        )
    if name == "status" and not (isinstance(value, int) and 200 <= value <= 599):
        raise ValueError("status must be a number from 200 to 599.")
    if name in {"seconds", "interval", "size"} and not (isinstance(value, int | float) and value >= 0):
        raise ValueError(f"{name} must be a number from 0.")
    if name in {"message", "field"} and not isinstance(value, str):
        raise ValueError(f"{name} must be text.")
    if name == "headers" and not isinstance(value, Mapping):
        raise ValueError("headers must be an object of names and values.")
