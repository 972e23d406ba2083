"""The table of answers of the Report API: status and body in, a report or the reason why there is none out. No HTTP."""

from __future__ import annotations

import json
from bisect import bisect_left
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.elevate.errors import ReportUnreadable
from elevate_integration.elevate.payloads import Secret
from elevate_integration.elevate.reports import Report, ReportFields, ReportLine, read_report_answer

KEY = 's3cret/"kéy"'
ITEM: dict[str, Any] = {
    "id": 583919,
    "transaction_at": "2025-01-01 12:30:00",
    "price_after_discount": "25.50",
    "user": {"email": "ada@example.org", "member_id": "M-1001"},
    "product": {"title": "Ethics", "remote_product_id": "ABCD1234"},
}
LINE = ReportLine(
    report_id="583919",
    transaction_at=datetime(2025, 1, 1, 12, 30),  # noqa: DTZ001 - the site's wall clock
    remote_product_id="ABCD1234",
    product_title="Ethics",
    remote_user_id="M-1001",
    email="ada@example.org",
    price=Decimal("25.50"),
)
NO_SUCH_FIELD = {"error": {"message": "Field user.member_id doesn't exist"}}
EVERY_STATUS = [200, 201, 301, 302, 308, 400, 401, 403, 404, 405, 408, 410, 422, 429, 500, 502, 503, 599]


def report_of(*items: Any, **response: Any) -> dict[str, Any]:
    return {"response": {"labels": {}, "items": list(items), "count": len(items), **response}}


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def read(body: Any, status: int = 200, headers: dict[str, str] | None = None, **options: Any) -> Report:
    return read_report_answer(status, headers or {}, raw(body), **options)


def failure(body: Any, status: int = 200, **options: Any) -> ReportUnreadable:
    with pytest.raises(ReportUnreadable) as caught:
        read(body, status, **options)
    return caught.value


def line_of(**changes: Any) -> ReportLine:
    (line,) = read(report_of({**ITEM, **changes})).lines
    return line


# What can be read.


def test_a_report_is_read_to_its_end() -> None:
    assert read(report_of(ITEM, {**ITEM, "id": 7}), duration=1.5) == Report(
        (LINE, ReportLine("7", *list(vars(LINE).values())[1:])), 2, 1.5
    )


def test_a_day_without_registrations_is_a_report() -> None:
    assert read(report_of()).lines == ()
    assert read({"response": {"items": {}, "count": 0}}).lines == ()


def test_fields_of_a_relation_are_read_flat_and_nested() -> None:
    flat = {key: value for key, value in ITEM.items() if key not in ("user", "product")}
    flat |= {f"user.{key}": value for key, value in ITEM["user"].items()}
    flat |= {f"product.{key}": value for key, value in ITEM["product"].items()}
    mixed = {**flat, "product": ITEM["product"]}
    del mixed["product.title"], mixed["product.remote_product_id"]
    assert read(report_of(flat, mixed)).lines == (LINE, LINE)


def test_fields_are_read_by_the_names_of_the_site() -> None:
    names = ReportFields(id="", price="", email="", user_id="user.profile.number")
    item = {**ITEM, "user": {"profile": {"number": 1001}}}
    (line,) = read(report_of(item), names=names).lines
    assert (line.report_id, line.price, line.email, line.remote_user_id) == ("", None, "", "1001")


@pytest.mark.parametrize("count", [3, "3"])
def test_a_report_that_names_more_than_it_holds_is_cut(count: Any) -> None:
    report = read(report_of(ITEM, ITEM, count=count))
    assert (report.cut, report.count, len(report.lines)) == (True, 3, 2)
    assert not read(report_of(ITEM, ITEM)).cut


def test_a_list_that_came_as_numbered_entries_is_a_list() -> None:
    assert read(report_of(items={"0": ITEM, "2": ITEM}, count=2)).lines == (LINE, LINE)


@pytest.mark.parametrize("empty", [None, [], "", {}])
def test_a_relation_that_is_empty_is_no_error(empty: Any) -> None:
    line = line_of(user=empty)
    assert (line.remote_user_id, line.email) == ("", "")


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("price_after_discount", "price", [Decimal("25.50"), None]),
        ("user", "remote_user_id", ["M-1001", ""]),
    ],
)
def test_a_field_or_relation_that_only_some_lines_have_is_empty_in_the_others(
    name: str, key: str, values: list[Any]
) -> None:
    other = {one: value for one, value in ITEM.items() if one != name}
    assert [getattr(line, key) for line in read(report_of(ITEM, other)).lines] == values


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (None, None),
        ("", None),
        (0, Decimal(0)),
        (25, Decimal(25)),
        ("25.5", Decimal("25.5")),
        ("-25.50", Decimal("-25.50")),
        ("$1,234.50", Decimal("1234.50")),
        (" 3 ", Decimal(3)),
    ],
)
def test_an_amount_is_read_without_losing_a_cent(written: Any, read_as: Decimal | None) -> None:
    assert line_of(price_after_discount=written).price == read_as


def test_a_decimal_that_came_as_a_number_loses_nothing() -> None:
    body = raw(report_of(ITEM)).replace(b'"25.50"', b"25.10")
    assert str(read(body).lines[0].price) == "25.10"


@pytest.mark.parametrize(
    "written",
    [
        "2025-01-01 12:30:00",
        "2025-01-01T12:30:00",
        " 2025-01-01 12:30:00 ",
        "2025-01-01 12:30:00.999",
        "2025-01-01T12:30:00.123Z",
        "2025-01-01T12:30:00+02:00",
        "2025-01-01 12:30:00 -0500",
    ],
)
def test_a_time_is_the_wall_clock_of_the_site(written: str) -> None:
    assert line_of(transaction_at=written).transaction_at == LINE.transaction_at


def test_a_time_may_be_missing() -> None:
    assert line_of(transaction_at=None).transaction_at is None


def test_texts_are_cleaned_and_cut() -> None:
    line = line_of(product={"title": "a\x00b\ud800 " + "x" * 1000, "remote_product_id": 7})
    assert line.product_title.startswith("ab? xxx")
    assert len(line.product_title) == 300
    assert line.remote_product_id == "7"


def test_a_report_with_a_byte_order_mark_or_cut_after_its_last_brace_is_whole() -> None:
    assert read(b"\xef\xbb\xbf" + raw(report_of(ITEM))).lines == (LINE,)
    assert read(report_of(ITEM), complete=False).lines == (LINE,)


def test_a_report_shows_no_person() -> None:
    assert "ada@" not in repr(read(report_of(ITEM)))
    assert "M-1001" not in repr(read(report_of(ITEM)))


# What cannot be read, and is never taken for an empty report.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>Hello</html>",
        b"\x89\xff\xfe",
        b"[" * 100_000,
        b'{"response": {"items": [], "count": NaN}}',
        None,
        [],
        7,
        {},
        {"response": None},
        {"response": []},
        {"response": {"items": [], "count": None}},
        {"response": {"items": []}},
        {"response": {"count": 0}},
        {"response": {"items": None, "count": 0}},
        {"response": {"items": "", "count": 0}},
        {"response": {"items": {"a": ITEM}, "count": 1}},
        report_of(None),
        report_of([ITEM]),
        report_of(ITEM, count=0),
        report_of(ITEM, count=-1),
        report_of(ITEM, count=1.5),
        report_of(ITEM, count=True),
        report_of(ITEM, count="one"),
        report_of(ITEM, count="²"),
        {"registration_id": 1},
        [report_of(ITEM)],
    ],
    ids=lambda body: str(body)[:50],
)
def test_an_answer_that_is_no_whole_report_is_unreadable(body: Any) -> None:
    assert failure(body).trouble == "unreadable"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": 0}, "id"),
        ({"id": "5 8"}, "id"),
        ({"id": True}, "id"),
        ({"id": int("9" * 65)}, "id"),
        ({"transaction_at": "01.02.2025"}, "transaction_at"),
        ({"transaction_at": "2025-13-01 00:00:00"}, "transaction_at"),
        ({"transaction_at": "2025-01-01"}, "transaction_at"),
        ({"transaction_at": 1735689600}, "transaction_at"),
        ({"price_after_discount": "free"}, "price"),
        ({"price_after_discount": "1.234,50"}, "price"),
        ({"price_after_discount": "NaN"}, "price"),
        ({"price_after_discount": "1e99"}, "price"),
        ({"price_after_discount": "٣"}, "price"),
        ({"price_after_discount": True}, "price"),
        ({"price_after_discount": []}, "price"),
        ({"user": {"email": True, "member_id": "1"}}, "email"),
        ({"user": {"email": "a", "member_id": {}}}, "user_id"),
        ({"product": {"title": [], "remote_product_id": "1"}}, "product_title"),
        ({"user": "Ada"}, ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_one_line_that_cannot_be_read_makes_the_report_unreadable(changes: dict[str, Any], key: str) -> None:
    error = failure(report_of(ITEM, {**ITEM, **changes}))
    assert (error.trouble, error.field) == ("unreadable", key)


@pytest.mark.parametrize("key", list(ReportFields().asked()))
def test_a_field_that_no_line_holds_is_named(key: str) -> None:
    name = ReportFields().asked()[key]
    relation, _, leaf = name.rpartition(".")
    item = {one: dict(value) if isinstance(value, dict) else value for one, value in ITEM.items()}
    del (item[relation] if relation else item)[leaf]
    error = failure(report_of(item))
    assert (error.trouble, error.field) == ("unreadable", key)
    assert f'"{name}"' in str(error)
    assert "REPORT_FIELDS" in str(error)


def test_an_answer_that_stopped_is_unreadable() -> None:
    error = failure(raw(report_of(ITEM))[:-5], complete=False)
    assert error.trouble == "cut_short"
    assert "shorter time" in str(error)


# Errors.


@pytest.mark.parametrize("status", [status for status in EVERY_STATUS if status not in (301, 302, 308, 429)])
def test_an_unknown_field_is_named_whatever_the_status(status: int) -> None:
    error = failure(NO_SUCH_FIELD, status)
    assert (error.trouble, error.field, error.status_code) == ("unknown_field", "user_id", status)
    assert error.messages == (("message", "Field user.member_id doesn't exist"),)
    assert error.concerns_every_report


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Field 'member_id' does not exist", "user_id"),
        ("field `user.member_id` doesn\u2019t exist.", "user_id"),
        ("Error: Field price_after_discount doesn&#039;t exist", "price"),
        ("Field x.y doesn't exist", ""),
    ],
)
def test_an_unknown_field_is_understood_in_other_words(message: str, field: str) -> None:
    error = failure({"error": {"message": message}}, 500)
    assert (error.trouble, error.field) == ("unknown_field", field)


@pytest.mark.parametrize("name", ["error", "errors", "error_messages"])
@pytest.mark.parametrize(
    "value", ["Oh no", ["Oh no"], {"message": "Oh no"}, {"a": {"b": ["Oh no"]}}], ids=str
)
def test_an_error_is_no_report_even_with_one_beside_it(name: str, value: Any) -> None:
    error = failure({**report_of(ITEM), name: value})
    assert error.trouble == "unreadable"
    assert [text for _, text in error.messages] == ["Oh no"]


@pytest.mark.parametrize("nothing", [None, "", [], {}, False, {"message": ""}])
def test_an_error_that_says_nothing_is_none(nothing: Any) -> None:
    assert read({**report_of(ITEM), "error": nothing}).lines == (LINE,)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (403, b"<html>Forbidden</html>"),
        (401, {"error": {"message": "No"}}),
        (200, {"error_messages": {"api_key": "wrong"}}),
        (500, {"error": {"message": "Invalid API key"}}),
        (200, {"error": "The api-key is missing."}),
    ],
)
def test_a_refused_key_is_told_apart(status: int, body: Any) -> None:
    error = failure(body, status)
    assert error.trouble == "key_refused"
    assert error.concerns_every_report


def test_a_text_that_only_resembles_the_keys_name_is_no_refused_key() -> None:
    assert failure({"error": {"message": "The keyword is wrong"}}).trouble == "unreadable"
    assert failure({"error": {"message": "api_key"}}, key_fields=frozenset({""})).trouble == "unreadable"


@pytest.mark.parametrize(
    ("status", "headers", "waits"),
    [
        (429, {}, None),
        (429, {"Retry-After": "7"}, 7.0),
        (429, {"retry-after": "soon"}, None),
        (503, {"Retry-After": "7"}, 7.0),
    ],
)
def test_whoever_asks_too_soon_is_told_so(status: int, headers: dict[str, str], waits: float | None) -> None:
    error = failure(report_of(ITEM), status, headers=headers)
    assert (error.trouble, error.retry_after) == ("hurried", waits)
    assert not error.concerns_every_report


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        *((status, "wrong_address") for status in (300, 301, 302, 303, 307, 308, 404, 405, 410)),
        *((status, "unreadable") for status in (199, 400, 408, 409, 422, 500, 502, 503, 504, 599)),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html></html>", report_of(ITEM)], ids=["empty", "html", "a report"])
def test_another_status_is_no_report_whatever_its_body(status: int, trouble: str, body: Any) -> None:
    error = failure(body, status, path="/api/reports")
    assert error.trouble == trouble
    assert ("(asked: /api/reports)" in str(error)) is (trouble == "wrong_address")
    assert error.concerns_every_report is (trouble == "wrong_address")


# What is kept.


def test_a_failure_keeps_the_answer_for_staff_and_shows_no_person() -> None:
    error = failure(report_of({**ITEM, "id": None}), duration=2.5)
    assert "ada@example.org" in error.body
    assert "ada@example.org" not in str(error) + repr(error)
    assert (error.status_code, error.duration, error.outcome) == (200, 2.5, "not_sent")


@pytest.mark.parametrize(
    "echo", [KEY.encode(), json.dumps(KEY).encode(), json.dumps(KEY).replace("é", "\\u00e9").encode()]
)
def test_an_echoed_key_is_kept_nowhere(echo: bytes) -> None:
    error = failure(
        b'{"error": ' + json.dumps(f"The key {KEY} is wrong").encode() + b"} ", secret=Secret(KEY)
    )
    assert "[key]" in error.messages[0][1]
    told = failure(echo, 500, secret=Secret(KEY))
    for text in (str(error), error.body, str(error.messages), str(told), told.body):
        assert KEY not in text
        assert "s3cret" not in text


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_key_in_a_line_is_scrubbed(ensure_ascii: bool) -> None:
    item = {**ITEM, "product": {"title": f"my {KEY}", "remote_product_id": "1"}}
    body = json.dumps(report_of(item), ensure_ascii=ensure_ascii).encode()
    (line,) = read(body, secret=Secret(KEY)).lines
    assert line.product_title == "my [key]"


def test_a_key_in_a_line_is_scrubbed_however_deeply_the_answer_is_nested() -> None:
    def nested(depth: int) -> bytes:
        whole = raw(
            report_of({**ITEM, "product": {"title": f"my {KEY}", "remote_product_id": "1"}, "more": 0})
        )
        return whole.replace(b'"more": 0', b'"more": ' + b"[" * depth + b"]" * depth)

    def is_read(depth: int) -> bool:
        with suppress(ReportUnreadable):
            return read(nested(depth), secret=Secret(KEY)).lines[0].product_title == "my [key]"
        return False

    # Near the depth at which Python gives up, reading an answer may succeed where writing it does not.
    deepest = bisect_left(range(200_000), x=True, key=lambda depth: not is_read(depth))
    assert deepest
    for depth in range(max(deepest - 50, 0), deepest + 50):
        with suppress(ReportUnreadable):
            assert read(nested(depth), secret=Secret(KEY)).lines[0].product_title == "my [key]"


@pytest.mark.parametrize("status", [200, 500])
def test_a_failure_holds_neither_key_nor_answer_in_its_traceback(status: int) -> None:
    error = failure(report_of({**ITEM, "id": KEY}), status, secret=Secret(KEY))
    assert (error.__context__, error.__cause__) == (None, None)
    found = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith("elevate/reports.py"):
            found.append(trace.tb_frame.f_locals)
        trace = trace.tb_next
    assert found
    assert "s3cret" not in repr(found)
    assert "ada@" not in repr(found)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(EVERY_STATUS), st.binary(max_size=200) | JSON_VALUES.map(lambda v: json.dumps(v).encode())
)
def test_any_answer_is_a_report_or_a_reason(status: int, body: bytes) -> None:
    with suppress(ReportUnreadable):
        assert read(body, status).count >= 0


@given(st.sampled_from(sorted(ITEM)), JSON_VALUES)
def test_any_value_in_a_line_is_read_or_makes_the_report_unreadable(name: str, value: Any) -> None:
    with suppress(ReportUnreadable):
        assert len(read(report_of(ITEM, {**ITEM, name: value})).lines) == 2
