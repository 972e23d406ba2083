"""The events of the log: the page lists what the code logs, and texts of errors stay out of tracebacks."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from django.db import IntegrityError

from elevate_integration.events import WITHHELD, event, get_logger, without_text
from tests.watching.logged import calls

ADA = "ada@example.org"
PAGE = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")
# What an event may be about. None of it names a person.
KEYS = {
    "registration", "order_ref", "operation", "outcome", "status", "status_code", "reason", "number", "left", "known",
    "failing", "tries", "method", "trigger", "result", "product_key", "day", "sqlstate",
}  # fmt: skip


def listed() -> dict[str, tuple[str, set[str]]]:
    """Give the page's table: event to its level and keys."""
    rows = re.findall(r"^\| `(elevate\.\w+\.\w+)` \| (\w+) \| ([^|]*)\| [^|]+ \|$", PAGE, re.MULTILINE)
    found = {name: (level, set(re.findall(r"`(\w+)`", keys))) for name, level, keys in rows}
    assert len(found) == len(rows), "an event is listed twice"
    return found


def logged() -> dict[str, tuple[set[str], set[str]]]:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for call in calls():
        levels, keys = found.setdefault(call.event, (set(), set()))
        levels.add(call.level)
        keys |= call.keys
    return found


def test_every_call_of_a_logger_has_an_event():
    assert [call.place for call in calls() if not call.event] == []
    assert len(list(calls())) > 50


def test_the_page_lists_every_event_with_its_level_and_keys_and_no_other():
    code = logged()
    assert {name: levels for name, (levels, _) in code.items() if len(levels) > 1} == {}
    assert listed() == {name: (levels.pop(), keys) for name, (levels, keys) in code.items()}


def test_keys_are_of_a_closed_list_and_none_hides_a_part_of_the_record():
    used = {key for _, keys in logged().values() for key in keys}
    assert used == KEYS
    record = logging.LogRecord("a", logging.INFO, "b", 1, "c", (), None)
    assert not (KEYS | {"event"}) & {*vars(record), "message", "asctime"}


def test_an_event_reaches_handlers_as_attributes_of_the_record(caplog):
    get_logger("elevate_integration.test").error(
        "Order %s.", 7, extra=event("elevate.order.not_read", order_ref="7")
    )
    record = caplog.records[0]
    assert (record.getMessage(), record.event, record.order_ref) == (
        "Order 7.",
        "elevate.order.not_read",
        "7",
    )


def fail_with_a_cause():
    try:
        {}[ADA]
    except KeyError as error:
        raise IntegrityError(f"Key (email)=({ADA}) exists") from error


def test_a_traceback_names_classes_and_lines_and_no_text(caplog):
    logger = get_logger("elevate_integration.test")
    try:
        fail_with_a_cause()
    except IntegrityError:
        logger.exception("It failed.", extra=event("elevate.order.not_read"))
    assert "ada@" not in caplog.text
    assert f"KeyError: ({WITHHELD})" in caplog.text
    assert f"django.db.utils.IntegrityError: ({WITHHELD})" in caplog.text
    assert "in fail_with_a_cause" in caplog.text
    assert "The above exception was the direct cause" in caplog.text


def test_an_error_given_as_a_value_is_shown_without_its_text(caplog):
    get_logger("elevate_integration.test").error("It failed.", exc_info=ValueError("ada@example.org"))
    assert f"ValueError: ({WITHHELD})" in caplog.text
    assert "ada@" not in caplog.text


def test_outside_of_any_error_there_is_no_traceback(caplog):
    get_logger("elevate_integration.test").error("It failed.", exc_info=True)
    assert caplog.records[0].exc_info is None


def test_texts_are_shown_where_the_settings_ask_for_them(caplog, settings):
    settings.ELEVATE = {**settings.ELEVATE, "LOG_ERROR_TEXTS": True}
    try:
        fail_with_a_cause()
    except IntegrityError:
        get_logger("elevate_integration.test").exception("It failed.")
    assert "Key (email)=(ada@example.org) exists" in caplog.text


def test_with_settings_that_cannot_be_read_texts_stay_out(caplog, settings):
    settings.ELEVATE = {"NO_SUCH_KEY": 1}
    get_logger("elevate_integration.test").error("It failed.", exc_info=ValueError("ada@example.org"))
    assert "ada@" not in caplog.text


class DriverError(Exception):
    sqlstate = "23505"


class MySQLError(Exception):
    __module__ = "MySQLdb"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (DriverError("Ada"), f"({WITHHELD}; SQLSTATE 23505)"),
        (ConnectionRefusedError(111, "Ada"), f"({WITHHELD}; errno 111)"),
        (MySQLError(1366, "Incorrect string value: Ada"), f"({WITHHELD}; error 1366)"),
        (KeyError(4711), f"({WITHHELD})"),
    ],
)
def test_the_code_of_a_driver_is_kept_and_nothing_that_may_be_a_user_id(error, shown):
    assert str(without_text(error)) == shown


def test_errors_that_caused_each_other_in_a_circle_come_to_an_end():
    first, second = ValueError("Ada"), KeyError("Ada")
    first.__cause__, second.__cause__ = second, first
    shown = without_text(first)
    assert shown.__cause__ is not None
    assert shown.__cause__.__cause__ is shown


def test_a_cause_that_was_suppressed_stays_so():
    error = ValueError("Ada")
    error.__context__, error.__suppress_context__ = KeyError("Ada"), True
    shown = without_text(error)
    assert shown.__suppress_context__
    assert type(shown.__context__).__name__ == "KeyError"
