"""The tables of outcomes: status and body in, outcome out. No HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_integration.elevate.answers import read_retry_after
from elevate_integration.elevate.errors import ElevateError, KeyRefused, NotSent, OutcomeUnknown, Refused
from elevate_integration.elevate.payloads import Answer, Secret, read_cancel_answer, read_register_answer

PATH = "/api/registrations"
NOT_FOUND = {"error_messages": {"product": "The requested product could not be found."}}
WRONG_KEY = {"error_messages": {"api_key": "The API key is wrong."}}
HTML = b"<!DOCTYPE html><html><body>Hello</body></html>"
EVERY_STATUS = [
    200,
    201,
    202,
    204,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    422,
    429,
    500,
    502,
    503,
    504,
    599,
]


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def outcome(
    reader: Any, status: int, body: Any, headers: dict[str, str] | None = None, **options: Any
) -> type:
    try:
        answer = reader(status, headers or {}, raw(body), path=PATH, **options)
    except ElevateError as error:
        return type(error)
    return type(answer)


def error_of(
    reader: Any, status: int, body: Any, headers: dict[str, str] | None = None, **options: Any
) -> ElevateError:
    with pytest.raises(ElevateError) as caught:
        reader(status, headers or {}, raw(body), **options)
    return caught.value


# What the vendor documents.


def test_the_vendors_own_success_is_done() -> None:
    url = "https://demo.elevate.commpartners.com/products/live-test-l5?force_login=1"
    body = raw({"product_url": url, "registration_id": 583919})
    answer = read_register_answer(200, {}, body, duration=0.25)
    assert answer == Answer(200, body.decode(), "583919", id_is_number=True, product_url=url, duration=0.25)


def test_the_vendors_own_failure_is_refused_with_its_words() -> None:
    error = error_of(read_register_answer, 200, NOT_FOUND)
    assert type(error) is Refused
    assert error.messages == (("product", "The requested product could not be found."),)


@pytest.mark.parametrize("status", EVERY_STATUS)
def test_a_registration_id_is_success_whatever_the_status(status: int) -> None:
    assert outcome(read_register_answer, status, {"registration_id": 583919}) is Answer


REFUSABLE = [status for status in EVERY_STATUS if status not in {401, 403, 429}]


@pytest.mark.parametrize("status", REFUSABLE)
@pytest.mark.parametrize("reader", [read_register_answer, read_cancel_answer])
def test_error_messages_are_a_refusal_whatever_the_status(reader: Any, status: int) -> None:
    assert outcome(reader, status, NOT_FOUND) is Refused


@pytest.mark.parametrize("messages", [{}, [], "", None, False, {"product": ""}, [""], {"a": []}, "\x00"])
def test_empty_error_messages_beside_an_id_are_success_without_messages(messages: Any) -> None:
    body = {"error_messages": messages, "registration_id": 1}
    assert read_register_answer(200, {}, raw(body)).messages == ()


def test_an_id_beside_a_message_is_success_and_keeps_the_message() -> None:
    body = {"error_messages": {"user": "was there before"}, "registration_id": 1}
    assert read_register_answer(200, {}, raw(body)).messages == (("user", "was there before"),)


@pytest.mark.parametrize(
    ("messages", "pairs"),
    [
        ({"a": "x", "b": "y"}, (("a", "x"), ("b", "y"))),
        ({"a": ["x", "y"]}, (("a", "x"), ("a", "y"))),
        ({"a": {"b": "x"}}, (("a.b", "x"),)),
        (["x", "y"], (("", "x"), ("", "y"))),
        ("x", (("", "x"),)),
        (17, (("", "17"),)),
        ([{"field": "a", "text": "x"}], (("field", "a"), ("text", "x"))),
        ({"a": [[[[["deep"]]]]]}, (("a", "(more was nested here: see the whole answer)"),)),
    ],
)
def test_error_messages_are_read_as_mapping_list_or_text(messages: Any, pairs: Any) -> None:
    assert error_of(read_register_answer, 200, {"error_messages": messages}).messages == pairs


# Registration IDs.


@pytest.mark.parametrize(
    ("value", "text", "is_number"),
    [
        (583919, "583919", True),
        ("583919", "583919", False),
        (" 583919\n", "583919", False),
        ("583919\x00", "583919", False),
        ("0012", "0012", False),
        ("9f1c-22", "9f1c-22", False),
        (10**29, str(10**29), True),
        ("9" * 64, "9" * 64, False),
    ],
)
def test_an_id_is_kept_as_text_with_its_type(value: Any, text: str, is_number: bool) -> None:
    answer = read_register_answer(200, {}, raw({"registration_id": value}))
    assert (answer.registration_id, answer.id_is_number) == (text, is_number)


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        0,
        -1,
        "0",
        "-5",
        "",
        " ",
        [583919],
        {"id": 1},
        583919.0,
        "58\x003919",
        "58 39",
        "5\ud800",
        "é",
        "9" * 65,
        10**64,
        "x" * 1_000_000,
    ],
)
def test_what_is_no_id_leaves_the_outcome_unknown(value: Any) -> None:
    assert outcome(read_register_answer, 200, {"registration_id": value}) is OutcomeUnknown


def test_a_number_of_thousands_of_digits_does_not_hide_the_id_beside_it() -> None:
    body = b'{"other": ' + b"9" * 10_000 + b', "registration_id": 5}'
    assert read_register_answer(200, {}, body).registration_id == "5"


# Bodies that say neither yes nor no.

SILENT = [
    b"",
    b" ",
    HTML,
    b"OK",
    b"null",
    b"[]",
    b"{}",
    b'{"registration_id": 58',
    b"\xff\xfe\x00",
    [{"registration_id": 5}],
]
SILENT += [{"data": {"registration_id": 5}}, b"[" * 100_000, {"product_url": "https://x.example/"}]

REGISTER_BY_STATUS: dict[int, type[ElevateError]] = {
    **dict.fromkeys([200, 201, 202, 204, 299], OutcomeUnknown),
    **dict.fromkeys([301, 307, 308], NotSent),
    **dict.fromkeys([300, 302, 303, 304], OutcomeUnknown),
    **dict.fromkeys([401, 403], KeyRefused),
    **dict.fromkeys([404, 405, 410], NotSent),
    **dict.fromkeys([407, 421, 425, 429], NotSent),
    **dict.fromkeys([400, 402, 406, 409, 413, 415, 422, 451, 499], Refused),
    **dict.fromkeys([408, 500, 501, 502, 503, 504, 520, 599, 999, 100, 101], OutcomeUnknown),
}
CANCEL_BY_STATUS: dict[int, type] = {
    **REGISTER_BY_STATUS,
    **dict.fromkeys([200, 201, 202, 204, 299], Answer),
    **dict.fromkeys([404, 405, 410], Refused),
}


def start_of(body: Any) -> str:
    # Without backslashes: by an ID that has some, pytest does not find the test again, nor does mutmut.
    return repr(body)[:30].replace("\\", "")


@pytest.mark.parametrize("body", SILENT, ids=start_of)
@pytest.mark.parametrize("status", REGISTER_BY_STATUS)
def test_a_register_answer_that_says_nothing_is_judged_by_its_status(status: int, body: Any) -> None:
    assert outcome(read_register_answer, status, body) is REGISTER_BY_STATUS[status]


@pytest.mark.parametrize("body", SILENT, ids=start_of)
@pytest.mark.parametrize("status", CANCEL_BY_STATUS)
def test_a_cancel_answer_that_says_nothing_is_judged_by_its_status(status: int, body: Any) -> None:
    assert outcome(read_cancel_answer, status, body) is CANCEL_BY_STATUS[status]


@pytest.mark.parametrize("body", [False, {"success": False}])
def test_a_cancel_that_says_false_is_no_success(body: Any) -> None:
    assert outcome(read_cancel_answer, 200, body) is OutcomeUnknown


@pytest.mark.parametrize("body", [{"error": {"message": "No such field"}}, {"errors": ["No"]}])
@pytest.mark.parametrize("reader", [read_register_answer, read_cancel_answer])
def test_the_report_apis_form_of_an_error_is_a_refusal_in_a_2xx_only(reader: Any, body: Any) -> None:
    assert outcome(reader, 200, body) is Refused
    assert outcome(reader, 500, body) is OutcomeUnknown
    assert error_of(reader, 500, body).messages


def test_a_cancel_keeps_the_raw_answer_for_staff() -> None:
    assert read_cancel_answer(200, {}, b"Cancelled, thank you.").body == "Cancelled, thank you."


# The key.


@pytest.mark.parametrize("status", [200, 400, 422, 500])
def test_a_message_about_the_key_refuses_the_key(status: int) -> None:
    assert outcome(read_register_answer, status, WRONG_KEY) is KeyRefused


@pytest.mark.parametrize("status", [401, 403])
def test_401_and_403_refuse_the_key_whatever_the_message(status: int) -> None:
    assert outcome(read_register_answer, status, NOT_FOUND) is KeyRefused
    assert outcome(read_cancel_answer, status, HTML) is KeyRefused


def test_the_names_that_speak_of_the_key_are_settable() -> None:
    fields = frozenset({"auth"})
    assert (
        outcome(read_register_answer, 200, {"error_messages": {"auth": ["No"]}}, key_fields=fields)
        is KeyRefused
    )
    assert (
        outcome(read_register_answer, 200, {"error_messages": {"auth": {"x": "No"}}}, key_fields=fields)
        is KeyRefused
    )
    assert outcome(read_register_answer, 200, WRONG_KEY, key_fields=fields) is Refused


# Asked to wait.


@pytest.mark.parametrize("body", [b"", HTML, NOT_FOUND])
def test_too_many_requests_is_not_sent_even_with_messages(body: Any) -> None:
    error = error_of(read_register_answer, 429, body, {"retry-after": "7"})
    assert (type(error), error.retry_after) == (NotSent, 7.0)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [({}, OutcomeUnknown), ({"Retry-After": "soon"}, OutcomeUnknown), ({"Retry-After": "120"}, NotSent)],
)
def test_503_is_safe_to_repeat_only_with_a_readable_retry_after(headers: dict[str, str], kind: type) -> None:
    assert outcome(read_register_answer, 503, HTML, headers) is kind


def test_500_with_a_retry_after_stays_unknown_and_keeps_the_wait() -> None:
    error = error_of(read_register_answer, 500, b"", {"Retry-After": "5"})
    assert (type(error), error.retry_after) == (OutcomeUnknown, 5.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "²"}, None),
        ({"RETRY-AFTER": " 0 "}, 0.0),
        ({"Retry-After": "9" * 400}, 86_400.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:27:30 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "never"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 9999 07:28:00 GMT"}, 86_400.0),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


# What the operator knows.


def test_a_status_listed_as_safe_is_not_sent_unless_elevate_refuses() -> None:
    safe = frozenset({200, 500, 502})
    assert outcome(read_register_answer, 502, HTML, safe_statuses=safe) is NotSent
    assert outcome(read_register_answer, 500, NOT_FOUND, safe_statuses=safe) is Refused
    assert outcome(read_register_answer, 200, HTML, safe_statuses=safe) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "location", "kind"),
    [
        (302, f"https://other.example{PATH}", NotSent),
        (303, f"https://other.example{PATH}/?x=1", NotSent),
        (302, "/login", OutcomeUnknown),
        (302, "http://[", OutcomeUnknown),
        (301, "/login", NotSent),
    ],
)
def test_a_redirect_is_not_sent_only_where_it_moves_the_same_call(
    status: int, location: str, kind: type
) -> None:
    assert outcome(read_register_answer, status, HTML, {"Location": location}) is kind


# Cut answers.


@pytest.mark.parametrize("status", [200, 302, 400, 404, 500])
@pytest.mark.parametrize("reader", [read_register_answer, read_cancel_answer])
def test_a_cut_answer_leaves_the_outcome_unknown(reader: Any, status: int) -> None:
    assert outcome(reader, status, b'{"registration_id": 58', complete=False) is OutcomeUnknown


def test_a_connection_that_breaks_after_the_whole_json_loses_nothing() -> None:
    assert outcome(read_register_answer, 200, {"registration_id": 58}, complete=False) is Answer
    assert outcome(read_register_answer, 200, NOT_FOUND, complete=False) is Refused
    assert outcome(read_cancel_answer, 200, {}, complete=False) is Answer


def test_a_failed_cancel_keeps_the_id_that_it_names() -> None:
    error = error_of(read_cancel_answer, 200, {**NOT_FOUND, "registration_id": "58"})
    assert (error.registration_id, error.id_is_number) == ("58", False)


# Poison.


@pytest.mark.parametrize("poison", ["\x00", "\ud800", "\x1b[31m", "\x85"])
def test_control_characters_and_lone_surrogates_are_cleaned(poison: str) -> None:
    error = error_of(read_register_answer, 200, {"error_messages": {f"a{poison}b": f"x{poison}y"}})
    kept = "".join([error.body, *error.messages[0]])
    assert kept.encode("utf-8")
    assert poison not in kept


def test_megabytes_are_capped() -> None:
    error = error_of(read_register_answer, 200, {"error_messages": {"f" * 10**6: ["x" * 10**6] * 30}})
    assert len(error.body) == 4_000
    assert len(error.messages) == 20
    assert {(len(field), len(text)) for field, text in error.messages} == {(100, 500)}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://demo.example/p?force_login=1", "https://demo.example/p?force_login=1"),
        (" http://demo.example/ü\x00 ", "http://demo.example/ü"),
        ("https://demo.example/" + "x" * 479, "https://demo.example/" + "x" * 479),
        ("https://demo.example/" + "x" * 480, ""),
        ("javascript:alert(1)", ""),
        ("java\x00script:alert(1)", ""),
        ("//demo.example/p", ""),
        ("https://", ""),
        ("https://[", ""),
        ('https://demo.example/"><script>', ""),
        ("https://demo.example/a b", ""),
        (None, ""),
        (["https://demo.example/"], ""),
        (7, ""),
    ],
)
def test_only_an_http_address_becomes_the_product_url(value: Any, kept: str) -> None:
    body = {"registration_id": 1, "product_url": value}
    assert read_register_answer(200, {}, raw(body)).product_url == kept


KEYS = ["test-key", 'a"b\\c/d', "k&y=<1>'", "schlüssel-ß", "p%c/q+r s"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_an_echoed_key_is_scrubbed_however_it_is_written(key: str, ensure_ascii: bool) -> None:
    from html import escape
    from urllib.parse import quote, quote_plus

    echoes = [key, quote(key), quote(key, safe="").lower(), quote_plus(key), escape(key), json.dumps(key)]
    url = f"https://x.example/?k={quote(key, safe='')}"
    body = {"registration_id": 1, "product_url": url, "error_messages": echoes}
    text = json.dumps(body, ensure_ascii=ensure_ascii).encode()
    answer = read_register_answer(200, {}, text, secret=Secret(key))
    kept = [answer.body, answer.product_url, *(text for _, text in answer.messages)]
    for echo in echoes:
        assert not [text for text in kept if echo in text]
    assert answer.product_url == "https://x.example/?k=[key]"


def test_a_key_that_is_written_with_unicode_escapes_or_cut_or_split_by_nul_is_scrubbed() -> None:
    secret = Secret("test-key")
    for body in [
        b'{"x": "\\u0074est-key"}',
        b"x" * 3_996 + b"test-key",
        b"the key is test-ke",
        b"te\x00st-key",
    ]:
        kept = error_of(read_register_answer, 200, body, secret=secret).body
        assert "test" not in kept
        assert "\\u0074est" not in kept


def test_a_text_that_holds_the_key_is_no_registration_id() -> None:
    body = {"registration_id": "test-key"}
    assert outcome(read_register_answer, 200, body, secret=Secret("test-key")) is OutcomeUnknown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(["registration_id", "error_messages"]), inner)
    ),
)


@given(
    status=st.integers(100, 999),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
    retry_after=st.text(),
    complete=st.booleans(),
    reader=st.sampled_from([read_register_answer, read_cancel_answer]),
)
def test_whatever_comes_ends_in_one_of_the_outcomes(
    status: int, body: bytes, retry_after: str, complete: bool, reader: Any
) -> None:
    kind = outcome(reader, status, body, {"Retry-After": retry_after}, complete=complete)
    assert kind in {Answer, Refused, KeyRefused, NotSent, OutcomeUnknown}


def test_texts_and_reprs_hold_no_personal_data() -> None:
    body = raw({"registration_id": 1, "echo": "adalind@quxworth.example", "error_messages": {"a": "adalind"}})
    assert "adalind" not in repr(read_register_answer(200, {}, body))
    error = error_of(read_register_answer, 500, {"error_messages": {"adalind": "adalind@quxworth.example"}})
    assert "adalind" not in repr(error) + str(error)


@pytest.mark.parametrize(
    ("reader", "status", "body", "says"),
    [
        (read_register_answer, 429, HTML, "turned away before it was read. It will be tried again later"),
        (read_register_answer, 400, WRONG_KEY, "the API key was refused. Compare the key in the settings with Elevate's"),
        (read_register_answer, 400, NOT_FOUND, "refused. Read Elevate's messages, correct what they name, then retry"),
        (read_register_answer, 200, HTML, "the answer is not one that Elevate documents. Look at Elevate before you repeat it by hand"),
        (read_register_answer, 301, HTML, "redirected, which is never followed. Check the Elevate address and the path in the settings"),
        (read_register_answer, 300, HTML, "redirected, which is never followed. Check the Elevate address and the path in the settings"),
        (read_register_answer, 403, HTML, "the key was refused, or a firewall stands before Elevate. Compare the key in the settings with Elevate's"),
        (read_cancel_answer, 404, HTML, "there is nothing at this address. Check the Elevate address and the path in the settings"),
        (read_cancel_answer, 422, HTML, "refused without a readable reason. Read the answer's body, then retry"),
        (read_cancel_answer, 500, HTML, "Elevate failed after the call was sent. Look at Elevate before you repeat it by hand"),
    ],
)  # fmt: skip
def test_each_error_says_what_happened_and_what_to_do(reader: Any, status: int, body: Any, says: str) -> None:
    call = "Registration" if reader is read_register_answer else "Cancellation"
    assert str(error_of(reader, status, body)) == f"{call}, HTTP {status}: {says}."


@pytest.mark.parametrize("reader", [read_register_answer, read_cancel_answer])
def test_an_answer_that_was_cut_and_one_that_is_safe_to_repeat_say_so_too(reader: Any) -> None:
    cut = "the answer stopped before its end or was too large. Look at Elevate before you repeat it by hand."
    assert str(error_of(reader, 200, HTML, complete=False)).endswith(f", HTTP 200: {cut}")
    safe = "a status that the settings call safe to repeat. It will be tried again."
    for status in (300, 502):
        error = error_of(reader, status, HTML, safe_statuses=frozenset({300, 502}))
        assert isinstance(error, NotSent)
        assert str(error).endswith(f", HTTP {status}: {safe}")


def test_an_answer_knows_how_long_its_call_took() -> None:
    body = {"registration_id": 5}
    for reader in (read_register_answer, read_cancel_answer):
        assert reader(200, {}, raw(body)).duration == 0.0
        assert reader(200, {}, raw(body), duration=2.5).duration == 2.5
        assert error_of(reader, 500, HTML, duration=2.5).duration == 2.5


def test_a_cancel_that_is_sent_to_its_own_path_was_not_read() -> None:
    moved = {"Location": f"https://www.example.org{PATH}/"}
    assert outcome(read_cancel_answer, 302, HTML, moved) is NotSent
    assert outcome(read_cancel_answer, 302, HTML, {"Location": "https://example.org/login"}) is OutcomeUnknown
