"""The client against the fake Elevate over real HTTP, with and without TLS."""

from __future__ import annotations

import copy
import gzip
import logging
import math
import pickle
import select
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from elevate_integration.elevate import connections
from elevate_integration.elevate import line as line_module
from elevate_integration.elevate.client import ElevateClient
from elevate_integration.elevate.connections import whole
from elevate_integration.elevate.errors import ElevateError, KeyRefused, NotSent, OutcomeUnknown, Refused
from elevate_integration.elevate.payloads import Answer, CancelRequest, Secret
from elevate_integration.testing import FakeElevate

from .conftest import ASK, KEY, ClientFactory

OTHER = replace(ASK, remote_user_id="member-8")
CANCEL_PATH = "/registrations/cancel"


def failure(call: Callable[[], Answer]) -> ElevateError:
    with pytest.raises(ElevateError) as caught:
        call()
    return caught.value


def connections_opened(caplog: pytest.LogCaptureFixture) -> int:
    return sum("Starting new HTTP" in record.getMessage() for record in caplog.records)


# What the vendor documents.


def test_a_learner_is_registered_and_cancelled(client: ElevateClient, elevate: FakeElevate) -> None:
    answer = client.register(replace(ASK, send_email=True, extra={"explanation": "shop"}))
    assert answer.registration_id == str(elevate.live()[0].registration_id)
    assert answer.product_url == f"{elevate.url}/products/ABCD1234?force_login=1"
    client.cancel(CancelRequest(answer.registration_id, answer.id_is_number))
    assert elevate.live() == []
    sent = elevate.calls[0][1]
    assert (sent["email"], sent["send_email"], sent["explanation"]) == (ASK.email, True, "shop")
    assert [path for path, _ in elevate.calls] == ["/api/registrations", CANCEL_PATH]


@pytest.mark.parametrize("as_string", [True, False])
def test_the_id_goes_back_in_the_type_in_which_it_came(
    client: ElevateClient, elevate: FakeElevate, as_string: bool
) -> None:
    elevate.id_as_string = as_string
    answer = client.register(ASK)
    client.cancel(CancelRequest(answer.registration_id, answer.id_is_number))
    assert type(elevate.calls[-1][1]["registration_id"]) is (str if as_string else int)


@pytest.mark.parametrize("status", [200, 400, 404, 422, 500])
def test_an_unknown_product_is_refused_whatever_the_status(
    client: ElevateClient, elevate: FakeElevate, status: int
) -> None:
    elevate.refusal_status = status
    error = failure(lambda: client.register(replace(ASK, remote_product_id="NONE")))
    assert (type(error), error.status_code) == (Refused, status)
    assert error.messages == (("product", "The requested product could not be found."),)


@pytest.mark.parametrize("status", [200, 401, 403, 422, 500])
def test_a_wrong_key_is_told_apart(make_client: ClientFactory, elevate: FakeElevate, status: int) -> None:
    elevate.wrong_key_status = status
    client = make_client(api_key="another")
    assert type(failure(lambda: client.register(ASK))) is KeyRefused
    assert type(failure(lambda: client.cancel(CancelRequest("1")))) is KeyRefused


@pytest.mark.parametrize("body", ["", "OK", "[]", "null", {}, {"success": True}, {"error_messages": []}])
def test_a_2xx_without_messages_is_a_done_cancel(
    client: ElevateClient, elevate: FakeElevate, body: Any
) -> None:
    elevate.cancel_body = body
    answer = client.register(ASK)
    assert client.cancel(CancelRequest(answer.registration_id)).status_code == 200


def test_registering_twice_gives_what_elevate_gives(client: ElevateClient, elevate: FakeElevate) -> None:
    first = client.register(ASK)
    elevate.register_twice = "same_id"
    assert client.register(ASK).registration_id == first.registration_id
    elevate.register_twice = "new_id"
    assert client.register(ASK).registration_id != first.registration_id
    elevate.register_twice = "error"
    assert type(failure(lambda: client.register(ASK))) is Refused


# How a call goes: by a new connection, by one that stands open, or with somebody who watches for its answer.


def at_first(client: ElevateClient) -> Answer:
    return client.register(ASK)


def on_a_standing_connection(client: ElevateClient) -> Answer:
    return client.register(ASK)


def watched(client: ElevateClient) -> Answer:
    halves = client.registering(ASK)
    waiting = next(halves)
    assert waiting is not None, "the connection stands open"
    while select.select([waiting], [], [], 0.3)[0] and waiting.take() is None:
        pass
    return whole(halves)


Way = Callable[[ElevateClient], Answer]
WAYS: list[Way] = [at_first, on_a_standing_connection, watched]
in_every_way = pytest.mark.parametrize("ask", WAYS, ids=lambda ask: ask.__name__)

# Faults.

FAULTS: list[tuple[str, dict[str, Any], type[ElevateError], int]] = [
    ("status", {"status": 500}, OutcomeUnknown, 0),
    ("store_then_status", {"status": 500}, OutcomeUnknown, 1),
    ("status", {"status": 429, "headers": {"Retry-After": "7"}}, NotSent, 0),
    ("status", {"status": 503, "headers": {"Retry-After": "7"}}, NotSent, 0),
    ("status", {"status": 503}, OutcomeUnknown, 0),
    ("status", {"status": 404, "body": "<html>Not found</html>"}, NotSent, 0),
    ("status", {"status": 422, "body": "<html>No</html>"}, Refused, 0),
    ("status", {"status": 204}, OutcomeUnknown, 0),
    ("html", {}, OutcomeUnknown, 0),
    ("refuse", {"message": "No", "field": "email"}, Refused, 0),
    ("echo_key", {}, KeyRefused, 0),
    ("huge", {}, OutcomeUnknown, 1),
    ("endless", {}, OutcomeUnknown, 1),
    ("close_half", {}, OutcomeUnknown, 1),
    ("garbage", {}, OutcomeUnknown, 1),
    ("wrong_type", {}, OutcomeUnknown, 1),
    ("no_id", {}, OutcomeUnknown, 1),
    ("dribble", {}, OutcomeUnknown, 1),
    ("hang", {}, OutcomeUnknown, 0),
    ("reset_before_reading", {}, OutcomeUnknown, 0),
    ("reset_after_storing", {}, OutcomeUnknown, 1),
]


@in_every_way
@pytest.mark.parametrize(("fault", "options", "kind", "stored"), FAULTS, ids=lambda value: str(value)[:40])
def test_every_fault_ends_in_its_outcome_and_the_next_call_is_sound(
    make_client: ClientFactory,
    elevate: FakeElevate,
    fault: str,
    options: dict[str, Any],
    kind: type[ElevateError],
    stored: int,
    ask: Way,
) -> None:
    impatience = {"hang": {"read_timeout": 0.4}, "dribble": {"deadline": 1.5}}
    client = make_client(**impatience.get(fault, {}))
    if ask is not at_first:
        client.register(OTHER)
        stored += 1
    elevate.fail(fault, **options)
    error = failure(lambda: ask(client))
    assert type(error) is kind
    assert len(elevate.live()) == stored
    assert error.duration > 0
    client._read_timeout = client._deadline = 30.0
    assert client.register(ASK).registration_id
    assert len(elevate.live()) == stored + 1


def test_nothing_is_ever_repeated_on_its_own(client: ElevateClient, elevate: FakeElevate) -> None:
    client.register(ASK)
    elevate.fail("reset_after_storing")
    elevate.fail("status", status=503, headers={"Retry-After": "0"})
    failure(lambda: client.register(ASK))
    failure(lambda: client.register(ASK))
    assert len(elevate.calls) == 3


def test_a_nul_in_the_answer_is_cleaned(client: ElevateClient, elevate: FakeElevate) -> None:
    elevate.id_as_string = True
    elevate.fail("nul")
    answer = client.register(ASK)
    assert "\x00" not in answer.registration_id + answer.product_url + answer.body
    assert answer.registration_id == str(elevate.live()[0].registration_id)


def test_a_lost_answer_to_a_cancel_is_unknown(client: ElevateClient, elevate: FakeElevate) -> None:
    answer = client.register(ASK)
    elevate.fail("reset_after_storing", path=CANCEL_PATH)
    assert type(failure(lambda: client.cancel(CancelRequest(answer.registration_id)))) is OutcomeUnknown


def test_a_redirect_is_not_followed(client: ElevateClient, elevate: FakeElevate) -> None:
    with FakeElevate(api_key=KEY) as other:
        elevate.fail("status", status=307, headers={"Location": f"{other.url}/api/registrations"})
        assert type(failure(lambda: client.register(ASK))) is NotSent
        assert other.calls == []


def test_an_answer_over_the_size_limit_is_not_read_to_its_end(
    make_client: ClientFactory, elevate: FakeElevate
) -> None:
    client = make_client(max_body=50)
    assert type(failure(lambda: client.register(ASK))) is OutcomeUnknown


# Nothing left this machine.


def test_a_site_that_is_down_was_not_sent_to(make_client: ClientFactory, elevate: FakeElevate) -> None:
    client = make_client()
    elevate.stop()
    error = failure(lambda: client.register(ASK))
    assert type(error) is NotSent
    assert "ConnectionRefusedError" in str(error)


def test_a_look_at_the_front_page_sends_no_key_and_tells_whether_anybody_answers(
    make_client: ClientFactory, elevate: FakeElevate
) -> None:
    client = make_client()
    assert client.reach() > 0
    assert elevate.calls == []
    elevate.stop()
    with pytest.raises(NotSent, match=r"does not answer: .*ConnectionRefusedError") as caught:
        client.reach()
    assert KEY not in str(caught.value)


def test_an_unknown_host_was_not_sent_to(make_client: ClientFactory) -> None:
    client = make_client(url="https://elevate.invalid", ca_bundle=None)
    assert type(failure(lambda: client.register(ASK))) is NotSent


def test_a_certificate_that_cannot_be_checked_stops_the_call() -> None:
    with FakeElevate(tls=True) as elevate:
        error = failure(lambda: ElevateClient(url=elevate.url, api_key=KEY).register(ASK))
        assert type(error) is NotSent
        assert "certificate" in str(error)
        assert elevate.calls == []


def test_a_call_whose_time_is_up_is_not_written(make_client: ClientFactory, elevate: FakeElevate) -> None:
    client = make_client()
    client.register(ASK)
    client._deadline = 1e-9
    assert type(failure(lambda: client.register(ASK))) is NotSent
    assert len(elevate.calls) == 1


def test_a_call_whose_time_is_up_before_its_answer_is_read_is_unknown(
    client: ElevateClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = HTTPResponse.begin

    def begin_late(response: HTTPResponse) -> None:
        monkeypatch.setattr(connections, "monotonic", lambda: math.inf)
        begin(response)

    monkeypatch.setattr(HTTPResponse, "begin", begin_late)
    error = failure(lambda: client.register(ASK))
    assert type(error) is OutcomeUnknown
    assert "TimeoutError" in str(error)


def test_a_connection_that_breaks_in_the_headers_has_sent_nothing(
    client: ElevateClient, elevate: FakeElevate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    client.register(ASK)
    monkeypatch.setattr(HTTPConnection, "endheaders", broken)
    assert type(failure(lambda: client.register(ASK))) is NotSent


def test_an_extra_field_that_is_not_json_is_refused_without_a_call(
    client: ElevateClient, elevate: FakeElevate
) -> None:
    for value in (object(), float("nan")):
        error = failure(lambda: client.register(replace(ASK, extra={"badge": value})))  # noqa: B023 - called at once
        assert type(error) is Refused
        assert error.__context__ is None
    assert elevate.calls == []


@pytest.mark.parametrize("url", ["", "ftp://demo.example", "not an address"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https://") as caught:
        ElevateClient(url=url, api_key=KEY)
    assert KEY not in "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )


# Connections.


def test_calls_after_one_another_share_a_connection(
    client: ElevateClient, elevate: FakeElevate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        registration_id = client.register(ASK).registration_id
        client.cancel(CancelRequest(registration_id))
        failure(lambda: client.register(replace(ASK, remote_product_id="NONE")))
    assert connections_opened(caplog) == 1


@pytest.mark.parametrize("reason", ["idle", "fork", "closed", "restart"])
def test_a_connection_that_may_be_dead_is_not_used_again(
    client: ElevateClient,
    elevate: FakeElevate,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    client.register(ASK)
    if reason == "idle":
        monkeypatch.setattr(line_module, "IDLE_LIMIT", -1.0)
    elif reason == "fork":
        client._line()._process_id = -1
    elif reason == "closed":
        client.close()
    else:
        elevate.stop()
        elevate.start()
    assert client.register(ASK).registration_id
    if reason != "restart":
        assert connections_opened(caplog) == 2


def test_calls_at_the_same_time_do_not_share_connections(
    client: ElevateClient, elevate: FakeElevate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    all_there = threading.Barrier(4, timeout=20)
    elevate.on_call = lambda path, fields: all_there.wait()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.register(ASK), range(4)))
    assert len({answer.registration_id for answer in answers}) == 4
    assert connections_opened(caplog) == 4


@pytest.mark.parametrize(("trusted", "kind"), [(False, None), (True, NotSent)])
def test_proxies_of_the_environment_count_only_when_asked(
    make_client: ClientFactory,
    elevate: FakeElevate,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
    kind: type[ElevateError] | None,
) -> None:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    client = make_client(trust_env=trusted)
    if kind is None:
        assert client.register(ASK).registration_id
    else:
        assert type(failure(lambda: client.register(ASK))) is kind
        assert elevate.calls == []


@contextmanager
def tunnelling_proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that opens tunnels: its address, and the first line of each request that it got."""
    asked: list[bytes] = []

    def pipe(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        asked.append(head.split(b"\r\n", 1)[0])
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        with connection, socket.create_connection((host, int(port))) as site:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pipe, args=(site, connection))
            back.start()
            pipe(connection, site)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join()


def test_calls_go_through_a_tunnel_of_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeElevate(api_key=KEY, tls=True) as elevate, tunnelling_proxy() as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        client = ElevateClient(url=elevate.url, api_key=KEY, ca_bundle=elevate.ca_path, trust_env=True)
        ids = {client.register(ASK).registration_id, client.register(ASK).registration_id}
        client.close()
        assert len(ids) == len(elevate.calls) == 2
    assert len(asked) == 1, "the second call took the same tunnel"
    assert asked[0].startswith(b"CONNECT 127.0.0.1:")


def test_the_connections_of_all_threads_share_the_authorities(
    make_client: ClientFactory, elevate: FakeElevate, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(ssl, "create_default_context", spy(ssl.create_default_context, made))
    client = make_client()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.register(ASK), range(8)))
    assert len(made) == 1


def spy(function: Callable[..., Any], made: list[Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        made.append(function(*args, **kwargs))
        return made[-1]

    return call


# Servers that are worse than the fake.


@contextmanager
def raw_server(*pieces: bytes, forever: bytes = b"", ask: Way = at_first) -> Iterator[str]:
    """Answer one call with these bytes, then repeat the last until the other side has had enough.

    On a connection that is to stand open already the call before it gets a sound answer.
    """
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                if ask is not at_first:
                    connection.sendall(SOUND)
                    connection.recv(65_536)
                for piece in pieces:
                    connection.sendall(piece)
                while forever and not done.wait(0.01):
                    connection.sendall(forever)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def ask_raw(url: str, ask: Way = at_first, **options: Any) -> type:
    client = ElevateClient(url=url, api_key=KEY, **{"read_timeout": 0.3, "deadline": 0.5, **options})
    try:
        if ask is not at_first:
            client.register(OTHER)
        return type(ask(client))
    except ElevateError as error:
        return type(error)
    finally:
        client.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DONE = b'{"registration_id": 5}'
SOUND = HEAD + b"Content-Length: 22\r\n\r\n" + DONE


@in_every_way
@pytest.mark.parametrize(
    ("start", "forever"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x"),
        (HEAD + b"\r\n", b" "),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    ],
)
def test_a_dribble_in_any_part_of_the_answer_ends_at_the_deadline(
    start: bytes, forever: bytes, ask: Way
) -> None:
    with raw_server(start, forever=forever, ask=ask) as url:
        assert ask_raw(url, ask) is OutcomeUnknown


@in_every_way
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SOUND, Answer),
        (HEAD + "Retry-After: später\r\n".encode() + SOUND.partition(b"json\r\n")[2], Answer),
        (HEAD + b"\r\n" + DONE, Answer),
        (
            HEAD
            + b"Transfer-Encoding: chunked\r\n\r\n6\r\n"
            + DONE[:6]
            + b"\r\n10\r\n"
            + DONE[6:]
            + b"\r\n0\r\n\r\n",
            Answer,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 22\r\n\r\n" + DONE, Answer),
        (HEAD + b"Content-Length: 99\r\n\r\n" + DONE, Answer),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + DONE, OutcomeUnknown),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(DONE), OutcomeUnknown),
        (b"SSH-2.0-OpenSSH\r\n", OutcomeUnknown),
        (b"", OutcomeUnknown),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, OutcomeUnknown),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 500 + b"\r\n" + DONE, OutcomeUnknown),
    ],
)
def test_every_way_of_writing_an_answer_is_read_or_left_unknown(answer: bytes, kind: type, ask: Way) -> None:
    with raw_server(answer, ask=ask) as url:
        assert ask_raw(url, ask, read_timeout=5.0, deadline=5.0) is kind


def test_a_whole_answer_on_a_connection_that_is_never_closed_is_done() -> None:
    with raw_server(HEAD + b"\r\n" + DONE, forever=b" ") as url:
        assert ask_raw(url, read_timeout=30.0, deadline=30.0, max_body=60) is Answer


# Nothing leaks.


def everything_shown(error: ElevateError, log: str) -> str:
    trace = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
    return "\n".join([str(error), repr(error), *trace.format(), log])


LEAKS: list[tuple[str, dict[str, Any]]] = [
    ("echo_key", {}),
    ("status", {"status": 500, "body": f"the key {KEY} of {ASK.email}"}),
    ("status", {"status": 422, "body": f'{{"error_messages": {{"email": "{ASK.email} of {KEY}"}}}}'}),
    ("status", {"status": 200, "body": KEY[:-3]}),
    ("hang", {}),
    ("reset_after_storing", {}),
    ("close_half", {}),
]


@pytest.mark.parametrize("leak", range(len(LEAKS)))
def test_neither_key_nor_personal_data_show_in_texts_tracebacks_and_logs(
    make_client: ClientFactory, elevate: FakeElevate, caplog: pytest.LogCaptureFixture, leak: int
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client(read_timeout=0.3 if LEAKS[leak][0] == "hang" else 30.0)
    elevate.fail(LEAKS[leak][0], **LEAKS[leak][1])
    error = failure(lambda: client.register(ASK))
    shown = everything_shown(error, caplog.text)
    for secret in (KEY, KEY[:-3], ASK.email, ASK.firstname, ASK.lastname):
        assert secret not in shown
    assert KEY[:-3] not in error.body + str(error.messages)
    assert error.__context__ is None


def test_an_exception_from_below_keeps_no_request(client: ElevateClient, elevate: FakeElevate) -> None:
    elevate.stop()
    error = failure(lambda: client.register(ASK))
    assert (error.__cause__, error.__context__) == (None, None)


def test_the_client_neither_shows_nor_gives_away_its_key(client: ElevateClient) -> None:
    assert KEY not in repr(client) + str(client) + repr(vars(client))
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="API key"):
            take(Secret(KEY))
    with pytest.raises(TypeError):
        pickle.dumps(client)
