"""What may be sent about a seat: its learner and amount, cleaned, and what is wrong with them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from elevate_integration.orders.source import Learner, Seat
from elevate_integration.wishes import (
    BAD_AMOUNT,
    NO_EMAIL,
    NO_LEARNER,
    NO_NAME,
    NO_USER_ID,
    TOO_LONG,
    amount,
    clean,
    details,
)

ADA = Learner("M-1", "Ada", "Sample", "ada@example.org")


def seat(*, learner=ADA, title="Ethics") -> Seat:
    return Seat("line:1", ("course:ETHICS",), learner, True, Decimal("120.00"), title)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("120.00"), Decimal("120.00")),
        (Decimal("0"), Decimal("0.00")),
        (Decimal("1E+3"), Decimal("1000.00")),
        (Decimal("10.500"), Decimal("10.50")),
        (7, Decimal("7.00")),
        (Decimal("9999999999.99"), Decimal("9999999999.99")),
        (Decimal("10.505"), None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("Infinity"), None),
        (Decimal("-Infinity"), None),
        (Decimal("-0.01"), None),
        (Decimal("10000000000"), None),
        (Decimal("1E+999999"), None),
        (Decimal("1E-999999"), None),
        (120.0, None),
        (float("nan"), None),
        (None, None),
        ("120.00", None),
        (True, None),
        (Fraction(1, 2), None),
        (10**30, None),
        (-1, None),
    ],
    ids=repr,
)
def test_an_amount_is_sent_only_when_it_is_exact(value, expected):
    assert amount(value) == expected
    assert (amount(value) is None) == (expected is None)


def test_minus_zero_is_written_as_zero():
    assert str(amount(Decimal("-0.00"))) == "0.00"


@pytest.mark.parametrize("value", [None, "120.00", 1.5, Decimal("NaN"), Decimal("-1")], ids=repr)
def test_a_bad_amount_holds_the_seat_and_says_so(value):
    found = details(replace(seat(), amount_paid=value))
    assert found.problems == (BAD_AMOUNT,)
    assert found.amount_paid is None


@pytest.mark.parametrize(
    ("learner", "problems"),
    [
        (None, (NO_LEARNER,)),
        (Learner(""), (NO_LEARNER,)),
        (Learner("  ", " ", "\x00", "\t"), (NO_LEARNER,)),
        (replace(ADA, remote_user_id=""), (NO_USER_ID,)),
        (replace(ADA, email=""), (NO_EMAIL,)),
        (replace(ADA, last_name=""), ()),
        (replace(ADA, first_name=""), ()),
        (replace(ADA, first_name="", last_name=""), (NO_NAME,)),
        (Learner("M-1"), (NO_EMAIL, NO_NAME)),
        (replace(ADA, remote_user_id="9" * 190), ()),
        (replace(ADA, remote_user_id="9" * 191), (TOO_LONG,)),
        (replace(ADA, email="a" * 242 + "@example.org"), ()),
        (replace(ADA, email="a" * 243 + "@example.org"), (TOO_LONG,)),
        (replace(ADA, first_name="x" * 500, last_name="x" * 500), ()),
        (replace(ADA, first_name="x" * 501), (TOO_LONG,)),
        (replace(ADA, last_name="x" * 501), (TOO_LONG,)),
        (Learner(None, None, None, None), (NO_LEARNER,)),
        (Learner(7, "Ada", None, "ada@example.org"), ()),
    ],
    ids=str,
)
def test_what_is_missing_is_named(learner, problems):
    assert details(seat(learner=learner)).problems == problems


def test_every_problem_of_a_seat_is_named_at_once():
    found = details(replace(seat(learner=Learner("M-1")), amount_paid=None))
    assert found.problems == (NO_EMAIL, NO_NAME, BAD_AMOUNT)


@pytest.mark.parametrize(
    "name",
    ["Żółć", "Nguyễn Thị Ánh", "יוסף כהן", "محمد", "王小明", "𠮷野家", "O'Brien 👩‍🚀", "Ada" * 100],
)
def test_names_are_sent_as_they_were_typed(name):
    found = details(seat(learner=replace(ADA, first_name=name, last_name=name)))
    assert found.firstname == found.lastname == unicodedata.normalize("NFC", name)
    assert not found.problems


def test_what_is_too_long_is_kept_as_far_as_it_fits():
    long = Learner("9" * 191, "x" * 501, "y" * 501, "a" * 300)
    found = details(seat(learner=long, title=" " + "z" * 301))
    assert (found.remote_user_id, found.firstname, found.lastname, found.email, found.product_title) == (
        "9" * 190,
        "x" * 500,
        "y" * 500,
        "a" * 254,
        "z" * 300,
    )


def test_a_seat_is_read_with_its_whole_amount_unless_it_is_shared():
    assert details(seat()).amount_paid == Decimal("120.00")
    assert details(seat(), share=False).amount_paid == Decimal("0.00")


def test_text_is_cut_where_a_limit_is_given_and_nowhere_else():
    assert clean(" Adalind ", 3) == "Ada"
    assert clean("x" * 10_000) == "x" * 10_000


def test_composed_and_decomposed_letters_are_the_same_name():
    assert clean("Zo\u0065\u0308") == "Zo\u00eb"


@pytest.mark.parametrize("text", ["A\x00da", "A\ud800da", "A\udfffda\x00"])
def test_what_no_database_takes_is_left_out(text):
    assert clean(text) == "Ada"


def test_a_bidirectional_mark_inside_a_name_stays():
    assert clean("יוסף\u200f") == "יוסף\u200f"


def test_personal_data_stays_out_of_the_representation():
    shown = repr(details(seat()))
    assert "Ada" not in shown
    assert "Sample" not in shown
    assert "ada@example.org" not in shown


def test_an_address_as_it_is_compared_fits_its_column_even_where_its_letters_become_more():
    found = details(seat(learner=replace(ADA, email="ß" * 200 + "@example.org")))
    assert not found.problems
    assert found.email_key == "s" * 254


def test_the_learner_key_is_the_id_else_the_address_else_nobody():
    assert details(seat()).learner_key == "M-1"
    assert details(seat(learner=replace(ADA, remote_user_id="", email="Ada@Example.ORG"))).learner_key == (
        "email:ada@example.org"
    )
    assert details(seat(learner=None)).learner_key == ""
