"""`elevate_prune`: what it does by settings and by options, what it says, and how it ends."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import Attempt, Registration
from tests.forgetting.conftest import EMAIL, MEMBER, age, traces
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)


def prune(*args: str, stderr: Any = None) -> str:
    out = StringIO()
    call_command("elevate_prune", *args, stdout=out, stderr=stderr or StringIO())
    return out.getvalue()


@pytest.fixture
def rows(transactional_db):
    """Two old registrations that are finished, each with the record of a call, and one that is not."""
    mapping = make_mapping()
    made = [
        make_row(mapping, at_elevate=AtElevate.PRESENT),
        make_row(mapping, at_elevate=AtElevate.PRESENT, learner_key=MEMBER, remote_user_id=MEMBER),
        make_row(mapping),
    ]
    made[1].email, made[1].email_key, made[1].lastname = EMAIL, EMAIL.casefold(), "Quint"
    made[1].save()
    for row in made:
        Attempt.objects.create(
            registration=row,
            operation="register",
            outcome="done",
            finished_at=row.created_at,
            sent={"a": "Ada"},
        )
    age(400)
    return made


def test_without_settings_and_options_nothing_is_forgotten(rows):
    with pytest.raises(CommandError, match="PRUNE_ATTEMPTS_AFTER"):
        prune()
    assert Registration.objects.exclude(firstname="").count() == 3
    assert Attempt.objects.count() == 3


def test_the_settings_say_what_is_forgotten(rows, settings):
    settings.ELEVATE = {**settings.ELEVATE, "FORGET_AFTER": 365, "PRUNE_ATTEMPTS_AFTER": 390}
    told = prune()
    assert told.splitlines() == [
        "Registrations: 2 forgotten. Names typed for seats: 0. Differences with Elevate's report: 0.",
        "Passed over: 1.",
        "  1: pending",
        "Records of calls: 2 deleted.",
        "Passed over: 1.",
        "  1: registration not finished",
    ]
    assert Registration.objects.exclude(firstname="").count() == 1
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "left", "calls"),
    [
        (["--forget-after", "401"], 3, 3),
        (["--forget-after", "399"], 1, 3),
        (["--attempts-after", "401"], 3, 3),
        (["--attempts-after", "399"], 3, 1),
    ],
)
def test_options_go_before_the_settings(rows, settings, options, left, calls):
    later = {"FORGET_AFTER": None, "PRUNE_ATTEMPTS_AFTER": None}
    later |= {"FORGET_AFTER": 500} if "--forget-after" in options else {"PRUNE_ATTEMPTS_AFTER": 500}
    settings.ELEVATE = {**settings.ELEVATE, **later}
    prune(*options)
    assert Registration.objects.exclude(firstname="").count() == left
    assert Attempt.objects.count() == calls


def test_a_dry_run_says_the_same_and_forgets_nothing(rows):
    options = ["--forget-after", "30", "--attempts-after", "30"]
    told = prune(*options, "--dry-run")
    assert Registration.objects.exclude(firstname="").count() == 3
    assert Attempt.objects.count() == 3
    assert told.replace("would be ", "") == prune(*options)


def test_a_member_is_forgotten_and_nobody_is_named(rows):
    told = prune("--member", MEMBER, "--dry-run") + prune("--member", MEMBER)
    assert told.splitlines() == [
        "Registrations: 1 would be forgotten. Names typed for seats: 0. Differences with Elevate's report: 0.",
        "Registrations: 1 forgotten. Names typed for seats: 0. Differences with Elevate's report: 0.",
    ]
    assert traces() == []
    assert Registration.objects.exclude(firstname="").count() == 2


def test_a_member_is_forgotten_by_the_address(rows):
    assert "1 forgotten" in prune("--email", EMAIL)
    assert traces() == []


def test_a_member_who_is_not_finished_is_said_by_the_exit_status(rows):
    Registration.objects.filter(pk=rows[1].pk).update(status="cancelling", wanted=False)
    with pytest.raises(CommandError, match="Not everything") as error:
        prune("--member", MEMBER)
    assert error.value.returncode == 2


def test_an_address_of_several_members_is_refused_with_their_ids(rows):
    Registration.objects.update(email_key=EMAIL.casefold())
    with pytest.raises(CommandError, match="More than one member") as error:
        prune("--email", EMAIL)
    assert MEMBER in str(error.value)
    assert EMAIL.casefold() not in str(error.value).casefold()
    assert traces()


@pytest.mark.parametrize(
    "options",
    [
        ["--member", "1", "--forget-after", "5"],
        ["--email", "a@example.org", "--attempts-after", "5"],
        ["--forget-after", "0"],
        ["--attempts-after", "soon"],
        ["--forget-after", "5", "--batch", "-1"],
    ],
)
def test_options_that_make_no_sense_are_refused(rows, options):
    with pytest.raises(CommandError):
        prune(*options)
    assert Registration.objects.exclude(firstname="").count() == 3


class Terminal(StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(rows):
    seen = Terminal()
    prune("--forget-after", "30", "--attempts-after", "30", "--batch", "1", stderr=seen)
    assert seen.getvalue().split("\r")[1::2] == ["1 forgotten", "2 forgotten", "1 deleted", "2 deleted"]


def test_no_terminal_sees_nothing_of_it(rows):
    quiet = StringIO()
    prune("--forget-after", "30", stderr=quiet)
    assert quiet.getvalue() == ""
