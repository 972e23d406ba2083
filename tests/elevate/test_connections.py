"""A call in halves: what is taken of an answer without waiting, and whose connection it is meanwhile."""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from elevate_integration.elevate import connections
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.connections import Waiting, whole
from elevate_integration.elevate.errors import NotSent, OutcomeUnknown
from elevate_integration.testing import FakeElevate

from .conftest import ASK, KEY
from .test_client import OTHER, connections_opened

WITHIN = 20.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n"
DONE = b'{"registration_id": 5}'


@contextmanager
def server() -> Iterator[tuple[ElevateClient, Callable[[bytes], None], Callable[[], None]]]:
    """A client whose connection stands open, and what its server says next, or that it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        client = ElevateClient(url=f"http://127.0.0.1:{listener.getsockname()[1]}", api_key=KEY)
        first = pool.submit(client.register, OTHER)
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(HEAD + DONE)
            first.result()
            yield client, connection.sendall, connection.close
        client.close()


def begun(client: ElevateClient) -> tuple[connections.Halves, Waiting]:
    halves = client.registering(ASK)
    waiting = next(halves)
    assert waiting is not None
    return halves, waiting


def take(waiting: Waiting) -> bool | None:
    """Take what is there once anything is."""
    assert select.select([waiting], [], [], WITHIN)[0]
    return waiting.take()


def test_an_answer_is_taken_in_the_pieces_in_which_it_comes() -> None:
    with server() as (client, say, _):
        halves, waiting = begun(client)
        taken = [waiting.take()]
        for piece in (HEAD[:9], HEAD[9:], DONE[:5], DONE[5:]):
            say(piece)
            taken.append(take(waiting))
        assert taken == [None, False, False, False, True]
        assert whole(halves).registration_id == "5"


def test_what_was_taken_is_read_first_and_the_rest_is_waited_for() -> None:
    with server() as (client, say, _), ThreadPoolExecutor(1) as pool:
        halves, waiting = begun(client)
        say(HEAD + DONE[:5])
        assert take(waiting) is False
        rest = pool.submit(whole, halves)
        say(DONE[5:])
        assert rest.result(WITHIN).registration_id == "5"


def test_a_server_that_hangs_up_has_answered_and_its_answer_is_lost() -> None:
    with server() as (client, _, hang_up):
        halves, waiting = begun(client)
        hang_up()
        assert take(waiting) is True, "there is nothing to wait for"
        with pytest.raises(OutcomeUnknown):
            whole(halves)


def test_of_an_answer_without_end_little_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_AT_ONCE", 100)
    with server() as (client, say, _):
        _, waiting = begun(client)
        say(b"x" * 1000)
        assert take(waiting) is False
        assert waiting.take() is False
        assert len(vars(waiting)["_taken"]) <= 200


@pytest.mark.parametrize(
    ("head", "there"),
    [
        (b"Content-Length: 2\r\n", True),
        (b"X: y\r\ncontent-length:2\r\nZ: y\r\n", True),
        (b"Content-Length: 3\r\n", False),
        (b"X-Content-Length: 2\r\n", False),
        (b"Content-Length: two\r\n", False),
        (b"Transfer-Encoding: chunked\r\n", False),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", False),
        (b"", False),
    ],
)
def test_an_answer_is_known_to_be_whole_only_by_the_length_that_it_tells(head: bytes, there: bool) -> None:
    with server() as (client, say, _):
        _, waiting = begun(client)
        say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n{}")
        assert take(waiting) is there


def test_an_interim_answer_is_not_the_answer() -> None:
    with server() as (client, say, _):
        halves, waiting = begun(client)
        say(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n")
        assert take(waiting) is False
        say(HEAD + DONE)
        assert take(waiting) is False
        halves.close()


def test_one_thread_may_have_several_calls_under_way_each_with_its_own_time(
    client: ElevateClient, elevate: FakeElevate
) -> None:
    both_there = threading.Barrier(2, timeout=WITHIN)
    elevate.on_call = lambda path, fields: both_there.wait()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(client.register, (OTHER, OTHER)))
    elevate.on_call = None
    patient, _ = begun(client)
    client._deadline = 1e-9
    with pytest.raises(NotSent):
        client.register(OTHER)
    assert whole(patient).registration_id


def test_a_call_says_where_it_would_have_to_wait_for_a_connection(
    client: ElevateClient, elevate: FakeElevate
) -> None:
    halves = client.registering(ASK)
    assert next(halves) is None
    assert elevate.calls == []
    assert whole(halves).registration_id


def test_a_call_that_is_given_up_half_way_takes_its_connection_with_it(
    client: ElevateClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.register(OTHER)
    halves, _ = begun(client)
    halves.close()
    assert client.register(replace(ASK, remote_user_id="member-9")).registration_id
    assert connections_opened(caplog) == 2, "nobody reads the answer to another call"
