"""What stands in for an identifier: it can be compared by who has the secret key, and tells nothing else."""

from __future__ import annotations

import pytest

from elevate_integration.stand_in import is_stand_in, stand_in, stand_ins


def test_a_stand_in_is_the_same_each_time_and_another_for_each_identifier():
    made = {stand_in(text) for text in ("M-1", "M-2", "m-1", "M-1 ", "é", "e\u0301")}
    assert len(made) == 6
    assert stand_in("M-1") in made
    assert all(is_stand_in(one) and "M-1" not in one and len(one) < 64 for one in made)


@pytest.mark.parametrize("text", ["", stand_in("M-1")])
def test_nothing_and_a_stand_in_have_no_stand_in_of_their_own(text):
    assert stand_in(text) == text
    assert stand_ins(text) == ()


def test_another_secret_key_makes_another_and_a_former_one_is_still_recognised(settings):
    before = stand_in("M-1")
    assert stand_ins("M-1") == (before,)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = b"another, as bytes"
    assert stand_in("M-1") != before
    assert stand_ins("M-1") == (stand_in("M-1"), before)
    settings.SECRET_KEY_FALLBACKS = []
    assert before not in stand_ins("M-1")


def test_what_no_database_takes_can_be_asked_about():
    assert stand_ins("\ud800") == stand_ins("?")
