"""What a worker's loop waits for: what is put in, and the answers to calls that it has begun."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from queue import Empty
from typing import Any

import pytest

from elevate_integration.delivery.inbox import Inbox, Underway
from elevate_integration.elevate.connections import Halves, Waiting
from tests.threads import beside

WITHIN = 20.0
# Nothing here goes out by a client.
NOBODY: Any = None


class Line:
    """A connection on which an answer may come: `say` has something arrive, of which `take` tells what it is told to."""

    def __init__(self, stack: ExitStack) -> None:
        here, there = socket.socketpair()
        self._here = stack.enter_context(here)
        self.say = stack.enter_context(there).sendall
        self.taken: bool | None = True

    def fileno(self) -> int:
        return self._here.fileno()

    def take(self) -> bool | None:
        self._here.recv(100)
        return self.taken


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def begin(inbox: Inbox) -> Iterator[Callable[[], tuple[Underway, Line]]]:
    """Begin a call, and have its answer watched for."""
    with ExitStack() as stack:

        def begin() -> tuple[Underway, Line]:
            line = Line(stack)
            call = Underway(NOBODY, halves(line))
            waiting = call.begin()
            assert waiting is line
            inbox.watch(call, waiting)
            return call, line

        yield begin


def halves(line: Waiting) -> Halves[Any]:
    yield line
    return "ended"


def test_without_calls_it_is_a_queue_that_holds_nothing_of_the_system(inbox):
    for item in (1, 2):
        inbox.put(item)
    assert (inbox.get(), inbox.get_nowait()) == (1, 2)
    for look in (inbox.get_nowait, lambda: inbox.get(timeout=0.001)):
        with pytest.raises(Empty):
            look()
    assert inbox._selector is None
    assert not inbox.watching


@pytest.mark.parametrize("whole", [True, False])
def test_a_call_comes_in_once_when_its_answer_has_begun_to_come(inbox, begin, whole):
    call, line = begin()
    with pytest.raises(Empty):
        inbox.get_nowait()
    line.taken = whole
    line.say(b"answer")
    assert inbox.get(timeout=WITHIN) is call
    assert call.whole is whole
    assert not inbox.watching
    assert call.finish() == "ended"


def test_what_is_no_part_of_an_answer_is_waited_out(inbox, begin):
    call, line = begin()
    line.taken = None
    line.say(b"a new session ticket")
    with pytest.raises(Empty):
        inbox.get(timeout=0.05)
    line.taken = True
    line.say(b"answer")
    assert inbox.get(timeout=WITHIN) is call


def test_who_waits_for_an_answer_is_woken_by_what_is_put_in(inbox, begin):
    begin()
    asleep = threading.Event()
    select = inbox._selector.select

    def falling_asleep(seconds: float) -> Any:
        asleep.set()
        return select(seconds)

    inbox._selector.select = falling_asleep

    def put_once_it_sleeps() -> None:
        assert asleep.wait(WITHIN)
        inbox.put("by hand")

    with beside(put_once_it_sleeps):
        assert inbox.get() == "by hand"


def test_a_bell_that_was_rung_too_often_is_heard(inbox, begin):
    begin()
    inbox._asleep = True
    for number in range(70_000):
        inbox.put(number)
    assert [inbox.get(timeout=WITHIN) for _ in range(70_000)] == list(range(70_000))


def test_calls_that_are_let_go_do_not_come_in(inbox, begin):
    (early, line), (late, _) = begin(), begin()
    early.begun_at, late.begun_at = 1.0, 2.0
    assert inbox.let_go(begun_before=1.0) == []
    assert inbox.let_go(begun_before=2.0) == [early]
    line.say(b"answer")
    with pytest.raises(Empty):
        inbox.get(timeout=0.01)
    assert inbox.let_go() == [late]
    assert not inbox.watching


def test_after_its_end_it_takes_what_is_put_in_and_may_be_used_again(inbox, begin):
    begin()
    inbox.let_go()
    inbox.close()
    inbox._asleep = True
    inbox.put("late")
    assert inbox.get_nowait() == "late"
    call, line = begin()
    line.say(b"answer")
    assert inbox.get(timeout=WITHIN) is call


def test_each_call_has_context_variables_of_its_own():
    name: ContextVar[str] = ContextVar("name", default="nobody")
    ended: list[str] = []

    def observed(own: str) -> Halves[Any]:
        token = name.set(own)
        yield None
        ended.append(name.get())
        name.reset(token)
        return own

    one, two = (Underway(NOBODY, observed(own)) for own in ("one", "two"))
    for call in (one, two):
        call.begin()
    assert [one.finish(), two.finish()] == ["one", "two"] == ended
    assert name.get() == "nobody"
