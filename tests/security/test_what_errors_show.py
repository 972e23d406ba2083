"""Errors as a recorder of local variables sees them: neither the API key nor what is personal is among them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from elevate_integration import sync, wishes
from elevate_integration.conf import conf, parse
from elevate_integration.delivery import outcomes, sender, settling, worker
from elevate_integration.delivery.clients import Clients
from elevate_integration.elevate import answers, client, connections, line
from elevate_integration.keys import api_key
from tests.plainshop.source import PlainSource
from tests.security.recorded import Recorder, shown

KEY = "test-key"
PERSON = {"first_name": "Adalberta", "last_name": "Lovelaceson", "email": "ada.l@example.org"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Everything that is logged while the test runs, down to the finest detail."""
    loggers = [logging.getLogger(name) for name in ("", "elevate_integration", "urllib3")]
    before = [one.level for one in loggers]
    found = Recorder()
    loggers[0].addHandler(found)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield found
    loggers[0].removeHandler(found)
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


def breaking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Raise at the first call: a bug that nobody foresaw."""
    calls: list[int] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return function(*args, **kwargs)

    return call


BROKEN: dict[str, tuple[Any, str]] = {
    "the reading of the store": (PlainSource, "snapshot"),
    "what follows from an order": (sync, "derive"),
    "the cleaning of a name": (wishes, "clean"),
    "the writing of registrations": (sync, "insert"),
    "the building of a request": (sender, "register_request"),
    "the worker": (worker, "prepare"),
    "the client": (client.ElevateClient, "registering"),
    "the connection": (line, "post"),
    "the reading of messages": (answers, "clean_messages"),
    "the cleaning of the answer": (answers, "clean_body"),
    "the writing of an outcome": (outcomes, "apply"),
    "the writing of attempts": (settling, "insert"),
}


def test_the_recorder_sees_the_locals_of_every_frame_and_cause() -> None:
    def ask(secret: str) -> None:
        raise ValueError("inner")

    def outer(personal: dict[str, str]) -> None:
        try:
            ask(KEY)
        except ValueError as error:
            raise RuntimeError("outer") from error

    with pytest.raises(RuntimeError) as raised:
        outer({"name": "Adalberta"})
    assert {KEY, "Adalberta"} <= set(shown(raised.value, with_tests=True).replace("'", " ").split())


@pytest.mark.parametrize("what", BROKEN)
def test_a_bug_anywhere_on_the_way_shows_neither_key_nor_person(
    sell: Callable[..., Any],
    deliver: Callable[[], int],
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    sell("ETHICS", **PERSON)
    owner, name = BROKEN[what]
    monkeypatch.setattr(owner, name, breaking(getattr(owner, name)))
    try:
        deliver()
    except RuntimeError as error:
        recorder.errors.append(error)
    told = recorder.everything()
    if what != "the connection":
        assert "RuntimeError" in told
    for secret in (KEY, *PERSON.values()):
        assert secret not in told


@pytest.mark.parametrize(("half", "outcome"), [("write", "not_sent"), ("read", "unknown")])
def test_a_bug_on_a_connection_that_stands_open_shows_neither_key_nor_person(
    sell: Callable[..., Any],
    elevate: Any,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    half: str,
    outcome: str,
) -> None:
    for number in range(3):
        sell("ETHICS", person_id=f"M-{number}", **PERSON)
    broken = breaking(getattr(connections._Watched, half))
    monkeypatch.setattr(connections._Watched, half, broken)
    worker.Worker(threads=1).run_once(sweeping=False)
    told = recorder.everything()
    assert f"ended: {outcome}" in told
    for secret in (KEY, *PERSON.values()):
        assert secret not in told


def test_an_elevate_that_fails_and_refuses_shows_neither_key_nor_person(
    sell: Callable[..., Any], deliver: Callable[[], int], recorder: Recorder, elevate: Any
) -> None:
    sell("ETHICS", **PERSON)
    elevate.fail("reset_before_reading")
    elevate.fail("status", status=500, body=f"{KEY} {PERSON}")
    elevate.fail("echo_key")
    deliver()
    told = recorder.everything()
    assert "is unconfirmed" in told
    for secret in (KEY, *PERSON.values()):
        assert secret not in told


def test_settings_that_cannot_be_read_do_not_show_the_key(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "broken_payload.py").write_text("import this_is_not_there_at_all\n\nx = nowhere\n")
    (tmp_path / "broken_later.py").write_text("x = nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    for wrong in (
        {"PAYLOAD": "broken_later.payload"},
        {"PAYLOAD": "broken_payload.payload"},
        {"MASS_IMPORT_COLUMNS": {"a": "broken_later.column"}},
        {"GO_LIVE": "yesterday"},
        {"NO_SUCH": 1},
    ):
        raw = {"API_KEY": KEY, "REPORT_KEY": KEY, **wrong}
        with pytest.raises(ImproperlyConfigured) as raised:
            parse(raw)
        assert KEY not in shown(raised.value)


@pytest.mark.parametrize("wrong", ["test-key\udcff", "test-key\x00\ud800"])
def test_a_key_that_cannot_be_sent_is_not_shown(settings: Any, elevate: Any, wrong: str) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": wrong}
    with pytest.raises(ValueError, match="surrogates") as raised:
        Clients().now()
    assert KEY not in shown(raised.value)


def test_a_wrong_address_does_not_show_the_key(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "URL": "ftp://elevate.example", "REPORT_KEY": f"{KEY}-2"}
    with pytest.raises(ValueError, match="http") as raised:
        Clients().now()
    assert KEY not in shown(raised.value)


def test_a_callable_that_gives_the_key_and_fails_does_not_show_it(settings: Any, recorder: Recorder) -> None:
    def give() -> str:
        raise RuntimeError(f"the vault said {KEY}")

    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": give}
    assert api_key() == ""
    assert "No API key could be read" in recorder.everything()
    assert KEY not in recorder.everything()


def test_the_settings_in_use_show_no_key(settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "REPORT_KEY": f"{KEY}-2"}
    assert KEY not in repr(conf())
