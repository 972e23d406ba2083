"""Records errors as Sentry and its like do: every local variable of every frame, of the error and of its causes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import TracebackType


class Recorder(logging.Handler):
    """Keeps every line of the log as it would be written, and every error that goes with one."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1]:
            self.errors.append(record.exc_info[1])

    def everything(self) -> str:
        """Give the lines and all that the errors' frames hold."""
        return "\n".join([*self.lines, *(shown(error) for error in self.errors)])


def shown(error: BaseException, *, with_tests: bool = False) -> str:
    """Give all that is seen of an error. with_tests: also the frames of the tests, which hold what is looked for."""
    return "\n".join(_shown(error, set(), with_tests=with_tests))


def _shown(error: BaseException | None, seen: set[int], *, with_tests: bool) -> Iterator[str]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield f"{error!r}: {error}"
    yield from _frames(error.__traceback__, with_tests=with_tests)
    yield from _shown(error.__cause__, seen, with_tests=with_tests)
    yield from _shown(error.__context__, seen, with_tests=with_tests)


def _frames(trace: TracebackType | None, *, with_tests: bool) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if with_tests or "/tests/" not in code.co_filename:
            for name, value in trace.tb_frame.f_locals.items():
                yield f"{code.co_filename}:{code.co_name}: {name} = {value!r}"
        trace = trace.tb_next
