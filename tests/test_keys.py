"""The API key is exchanged while calls are under way: none is lost, and nobody gets to see a key."""

from __future__ import annotations

import ast
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import ExceptionReporter

from elevate_integration import checks, keys
from elevate_integration.conf import conf, parse
from elevate_integration.delivery import clients as clients_module
from elevate_integration.delivery import gate
from elevate_integration.delivery.clients import Clients
from elevate_integration.delivery.sender import make_client
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import Attempt, DeliveryState, Registration
from tests.threads import running

LONG = 20
OLD, NEW = "test-key", "the-new-one-4711"


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch):
    """A file or callable is asked for each call, not every two seconds."""
    monkeypatch.setattr(keys, "LOOK_AGAIN", 0.0)


@pytest.fixture
def key_file(tmp_path, settings, elevate):
    """A file that holds the key of the fake Elevate."""
    path = tmp_path / "elevate_key"
    path.write_text(f"{OLD}\n", encoding="utf-8")
    path.chmod(0o600)
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": "", "API_KEY_FILE": str(path)}
    return path


@pytest.fixture
def sold(transactional_db, sell) -> Callable[..., Any]:
    """Sell a course to so many learners."""

    def make(number: int, start: int = 1) -> None:
        for n in range(start, start + number):
            sell(person_id=f"M-{n}", email=f"m{n}@example.org")

    return make


def statuses() -> dict[str, int]:
    return Registration.objects.by_status()


class Heard:
    """Waits until a worker has settled so many answers."""

    def __init__(self, worker: Worker) -> None:
        self.outcomes: list[str] = []
        self._changed = threading.Condition()
        worker.heard = self._hear

    def _hear(self, result: Any) -> None:
        with self._changed:
            self.outcomes.append(str(result.outcome))
            self._changed.notify_all()

    def wait(self, number: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.outcomes) >= number, LONG)


# What a key may be.


def test_the_key_is_text_a_callable_or_a_file(settings, key_file):
    assert keys.api_key() == OLD
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY_FILE": "", "API_KEY": lambda: f" {NEW}\n"}
    assert keys.api_key() == NEW
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": "plain"}
    assert keys.api_key() == "plain"
    assert not keys.take_change()


def test_a_file_that_an_editor_marks_as_utf8_holds_the_same_key(key_file):
    key_file.write_bytes(b"\xef\xbb\xbf" + OLD.encode() + b"\r\n")
    assert keys.api_key() == OLD


def test_a_file_is_read_again_although_size_and_time_stay(key_file):
    before = key_file.stat()
    assert keys.api_key() == OLD
    key_file.write_text("tset-yek\n", encoding="utf-8")
    os.utime(key_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert keys.api_key() == "tset-yek"


def test_a_callable_is_asked_again_only_after_a_while(settings, monkeypatch):
    monkeypatch.setattr(keys, "LOOK_AGAIN", 3600.0)
    asked: list[int] = []
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": lambda: asked.append(1) or OLD}
    assert [keys.api_key() for _ in range(5)] == [OLD] * 5
    assert len(asked) == 1


def test_a_change_is_told_once(key_file):
    assert keys.api_key() == OLD
    assert not keys.take_change()
    key_file.write_text(NEW, encoding="utf-8")
    assert keys.take_change()
    assert not keys.take_change()


def spoil_empty(path):
    path.write_text(" \n", encoding="utf-8")


def spoil_lines(path):
    path.write_text(f"{NEW}\n{NEW}\n", encoding="utf-8")


def spoil_bytes(path):
    path.write_bytes(NEW.encode() + b"\xff\xfe")


def spoil_gone(path):
    path.unlink()


SPOILT = [
    (spoil_empty, "it is empty"),
    (spoil_lines, "it has more than one line"),
    (spoil_bytes, "it is not UTF-8"),
    (spoil_gone, "No such file or directory"),
]


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_a_file_that_fails_is_logged_once_and_the_last_key_used(key_file, caplog, spoil, why):
    assert keys.api_key() == OLD
    spoil(key_file)
    with caplog.at_level(logging.DEBUG, logger="elevate_integration"):
        assert [keys.api_key() for _ in range(3)] == [OLD] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"No API key could be read from {key_file}: {why}. The last key goes on being used."
    ]
    assert NEW not in caplog.text
    key_file.write_text(NEW, encoding="utf-8")
    assert keys.api_key() == NEW
    caplog.clear()
    spoil(key_file)
    assert keys.api_key() == NEW
    assert why in caplog.text


@pytest.mark.parametrize("given", [RuntimeError(NEW), ValueError(NEW), "", None, NEW.encode(), f"{NEW}\nx"])
def test_a_callable_that_fails_is_logged_once_without_its_words(settings, caplog, given):
    answers: list[Any] = [OLD, given, given]

    def source() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": source}
    with caplog.at_level(logging.DEBUG, logger="elevate_integration"):
        assert [keys.api_key() for _ in range(3)] == [OLD] * 3
    assert len(caplog.records) == 1
    assert NEW not in caplog.text


def test_a_callable_that_asks_for_the_key_itself_comes_to_an_end(settings):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": lambda: keys.api_key() or OLD}
    assert keys.api_key() in ("", OLD)


# Rotation while calls are under way.


@pytest.fixture
def hold_the_first(elevate):
    """The first call that Elevate gets waits there until it is told to go on; gives (it came, it may go on)."""
    came, may_go_on = threading.Event(), threading.Event()

    def hold(path: str, fields: dict[str, Any]) -> None:
        if not came.is_set():
            came.set()
            may_go_on.wait(LONG)

    elevate.on_call = hold
    yield came, may_go_on
    may_go_on.set()


@pytest.mark.django_db(transaction=True)
def test_a_call_under_way_ends_with_the_old_key_and_the_next_one_carries_the_new(
    sold, sell, elevate, key_file, hold_the_first
):
    came, may_go_on = hold_the_first
    sold(1)
    worker = Worker(threads=2, poll=0.05)
    heard = Heard(worker)
    with running(worker):
        assert came.wait(LONG)
        elevate.rotate_key(NEW)
        key_file.write_text(NEW, encoding="utf-8")
        sold(3, start=2)
        worker.wake()
        # These end while the first one is still open: its client is not the one that they use.
        assert heard.wait(3)
        may_go_on.set()
        assert heard.wait(4)
    assert heard.outcomes == ["done"] * 4
    assert statuses() == {"registered": 4}
    assert len(elevate.calls) == 4
    assert DeliveryState.objects.get().gate == ""


@pytest.mark.django_db(transaction=True)
def test_no_call_is_lost_while_the_key_changes_again_and_again(sold, elevate, key_file):
    sold(40)
    rotated: list[str] = []

    def rotate(path: str, fields: dict[str, Any]) -> None:
        # Elevate takes the old key for what came before; a new one is there before the next call comes.
        if len(rotated) < 20:
            rotated.append(f"key-{len(rotated)}")
            elevate.rotate_key(rotated[-1])
            key_file.write_text(rotated[-1], encoding="utf-8")

    elevate.on_call = rotate
    Worker(threads=1).run_once(sweeping=False)
    assert statuses() == {"registered": 40}
    assert len(rotated) == 20
    assert len(elevate.live()) == 40


@pytest.mark.django_db(transaction=True)
def test_an_old_key_that_is_refused_costs_nothing_and_the_new_one_is_tried_at_once(
    sold, elevate, key_file, settings
):
    settings.ELEVATE = {**settings.ELEVATE, "PROBE_INTERVAL": 3600.0}
    elevate.rotate_key(NEW)
    sold(3)
    Worker(threads=1).run_once(sweeping=False)
    state = DeliveryState.objects.get()
    assert state.gate == gate.KEY
    assert statuses() == {"pending": 3}
    refused = len(elevate.calls)
    Worker(threads=1).run_once(sweeping=False)
    assert len(elevate.calls) == refused, "the next probe is an hour away"
    key_file.write_text(NEW, encoding="utf-8")
    Worker(threads=1).run_once(sweeping=False)
    assert statuses() == {"registered": 3}
    assert DeliveryState.objects.get().gate == ""


@pytest.mark.django_db(transaction=True)
def test_a_refusal_of_the_old_key_that_comes_after_the_change_holds_nothing_up(
    sold, elevate, key_file, settings
):
    settings.ELEVATE = {**settings.ELEVATE, "PROBE_INTERVAL": 3600.0}
    elevate.rotate_key(NEW)
    came, may_go_on = threading.Event(), threading.Event()

    def hold(path: str, fields: dict[str, Any]) -> None:
        if not came.is_set():
            came.set()
            may_go_on.wait(LONG)

    elevate.on_call = hold
    sold(1)
    worker = Worker(threads=2, poll=0.05)
    heard = Heard(worker)
    with running(worker):
        assert came.wait(LONG)
        # The change is seen, and told, while the call with the old key is still open.
        key_file.write_text(NEW, encoding="utf-8")
        sold(1, start=2)
        worker.wake()
        assert heard.wait(1)
        may_go_on.set()
        assert heard.wait(3)
    assert heard.outcomes == ["done", "refused", "done"]
    assert statuses() == {"registered": 2}


@pytest.mark.django_db
def test_a_new_key_changes_nothing_while_elevate_is_merely_away():
    DeliveryState.objects.update_or_create(pk=1, defaults={"gate": gate.UNREACHABLE, "probe_at": None})
    gate.ask_again("default")
    assert DeliveryState.objects.get().probe_at is None


# Clients.


class Counted:
    """Stands for a client, and counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_client_is_kept_while_nothing_changes_and_closed_after_its_last_call(monkeypatch, key_file):
    made: list[Counted] = []
    monkeypatch.setattr(clients_module, "make_client", lambda key: made.append(Counted()) or made[-1])
    clients = Clients()
    first = clients.lend()
    assert clients.lend() is first
    key_file.write_text(NEW, encoding="utf-8")
    second = clients.lend()
    assert second is not first
    clients.take_back(first)
    assert made[0].closed == 0, "one of its calls is still open"
    clients.take_back(first)
    assert [one.closed for one in made] == [1, 0]
    clients.take_back(second)
    assert clients.now() is second
    clients.close()
    assert [one.closed for one in made] == [1, 1]


def test_other_settings_make_another_client(settings, key_file, elevate):
    clients = Clients()
    first = clients.now()
    assert clients.now() is first
    settings.ELEVATE = {**settings.ELEVATE, "READ_TIMEOUT": 5.0}
    assert clients.now() is not first
    clients.close()


def test_clients_that_were_closed_with_calls_open_close_everything(monkeypatch, key_file):
    made: list[Counted] = []
    monkeypatch.setattr(clients_module, "make_client", lambda key: made.append(Counted()) or made[-1])
    clients = Clients()
    clients.lend()
    key_file.write_text(NEW, encoding="utf-8")
    clients.lend()
    clients.close()
    assert all(one.closed for one in made)


# What shows a key.


def shown(error: BaseException) -> str:
    """Everything that a log, Sentry and Django's page of an error show: texts, and the variables of each frame."""
    kind = type(error), error, error.__traceback__
    lines = traceback.TracebackException(*kind, capture_locals=True).format()
    page = ExceptionReporter(None, *kind).get_traceback_text()
    # The test's own frames hold the key.
    return "".join(line for line in (*lines, page) if "test_keys.py" not in line)


def raised(call: Callable[[], Any]) -> BaseException:
    """Give what a call raises, without the frames of this file."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - whatever it is
        found = error.__traceback__
        while found is not None and found.tb_frame.f_code.co_filename == __file__:
            found = found.tb_next
        return error.with_traceback(found)
    raise AssertionError("nothing was raised")


def test_no_repr_shows_a_key(settings, key_file):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": NEW}
    clients = Clients()
    client = clients.now()
    looked = (keys.api_key(), conf(), clients, client, keys._looked, make_client())
    assert [text for one in looked for text in (repr(one),) if OLD in text or NEW in text] == []
    assert repr(keys.api_key()) == "[key]"
    clients.close()


def test_a_client_that_cannot_be_made_shows_no_key(settings):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": NEW, "URL": "ftp://learn.example.org"}
    for make in (make_client, Clients().now):
        error = raised(make)
        assert isinstance(error, ValueError)
        assert NEW not in shown(error)


@pytest.mark.parametrize(
    "wrong",
    [{"API_KEI": 1}, {"THREADS": "many"}, {"GO_LIVE": "soon"}, {"REMOTE_USER_ID": 5}, {"PAYLOAD": "a.b"}],
)
def test_settings_that_cannot_be_used_show_no_key(settings, wrong):
    settings.ELEVATE = {"API_KEY": NEW, **wrong}
    for call in (conf, lambda: parse({"API_KEY": NEW, **wrong})):
        error = raised(call)
        assert isinstance(error, ImproperlyConfigured)
        assert NEW not in shown(error)


@pytest.mark.parametrize(("spoil", "why"), SPOILT[:3])
def test_a_key_file_that_cannot_be_used_shows_no_key(key_file, spoil, why):
    spoil(key_file)
    error = raised(lambda: keys.read_key_file(str(key_file)))
    assert keys.why_unreadable(error) == why
    if not isinstance(error, UnicodeError):
        assert NEW not in shown(error)


@pytest.mark.django_db(transaction=True)
def test_the_log_of_a_rotation_names_no_key(sold, elevate, key_file, caplog):
    caplog.set_level(logging.DEBUG, logger="elevate_integration")
    with caplog.at_level(logging.DEBUG):
        sold(1)
        Worker(threads=1).run_once(sweeping=False)
        elevate.rotate_key(NEW)
        sold(1, start=2)
        Worker(threads=1).run_once(sweeping=False)
        key_file.write_text(NEW, encoding="utf-8")
        Worker(threads=1).run_once(sweeping=False)
    assert "The API key changed" in caplog.text
    kept = str(list(Attempt.objects.values())) + str(list(DeliveryState.objects.values()))
    assert [key for key in (OLD, NEW) if key in caplog.text or key in kept] == []


# Checks.


def found_by_check() -> list[tuple[str, str]]:
    return [
        (message.id, message.msg)
        for message in checks.check_settings(None)
        if message.id in ("elevate.E005", "elevate.E022", "elevate.W008", "elevate.W009")
    ]


def test_a_key_file_of_its_own_is_well(key_file):
    assert found_by_check() == []


def test_w008_says_that_two_settings_give_the_key(settings, key_file):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": NEW}
    assert [check for check, _ in found_by_check()] == ["elevate.W008"]
    assert keys.api_key() == OLD


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such rights")
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o646])
def test_w009_says_that_everybody_may_read_or_write_the_key(key_file, mode):
    key_file.chmod(mode)
    assert [check for check, _ in found_by_check()] == ["elevate.W009"]


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_e022_says_why_a_file_gives_no_key(key_file, spoil, why):
    spoil(key_file)
    ((check, text),) = found_by_check()
    assert (check, why in text, NEW in text) == ("elevate.E022", True, False)


def test_e005_says_that_there_is_no_key_and_asks_no_callable(settings, key_file):
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY_FILE": ""}
    assert [check for check, _ in found_by_check()] == ["elevate.E005"]
    settings.ELEVATE = {**settings.ELEVATE, "API_KEY": lambda: 1 / 0}
    assert found_by_check() == []


def test_each_check_of_this_package_has_an_id_that_means_one_thing():
    """Two findings may share an ID only within one check."""
    tree = ast.parse(Path(checks.__file__).read_text(encoding="utf-8"))
    users: dict[str, set[str]] = {}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.keyword) and node.arg == "id" and isinstance(node.value, ast.Constant):
                users.setdefault(str(node.value.value), set()).add(function.name)
    assert len(users) > 20
    assert {check: names for check, names in users.items() if len(names) > 1} == {}
