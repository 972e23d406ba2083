"""The errors of a call: each names its outcome, and none shows what it must not."""

from __future__ import annotations

import pickle

import pytest

from elevate_integration.elevate.errors import ElevateError, KeyRefused, NotSent, OutcomeUnknown, Refused


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [(Refused, "refused"), (KeyRefused, "refused"), (NotSent, "not_sent"), (OutcomeUnknown, "unknown")],
)
def test_every_error_names_its_outcome_and_is_an_elevate_error(
    kind: type[ElevateError], outcome: str
) -> None:
    assert kind.outcome == outcome
    assert issubclass(kind, ElevateError)


def test_a_refused_key_is_caught_as_refused() -> None:
    assert issubclass(KeyRefused, Refused)


def test_an_error_shows_its_text_and_nothing_of_the_answer() -> None:
    error = Refused(
        "Refused. Retry.", body="adalind@quxworth.example", messages=(("email", "adalind is taken"),)
    )
    assert str(error) == "Refused. Retry."
    assert "adalind" not in repr(error)


def test_an_error_survives_pickling_with_what_it_carries() -> None:
    error = NotSent("Not sent.", status_code=429, retry_after=7.0, messages=(("", "slow"),), duration=0.5)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert type(copy) is NotSent
    assert (str(copy), vars(copy)) == (str(error), vars(error))
