"""The log-in of an e-mail address, for people whom a buyer names for seats."""

from __future__ import annotations

from django.contrib.auth.models import User


def test_an_address_finds_its_active_log_in_under_its_own_names(site, source):
    ben = User.objects.get(username="ben")
    found = source.learner_by_email("BEN@example.org")
    assert (found.remote_user_id, found.first_name, found.last_name) == (
        source.learner_for(ben).remote_user_id,
        "Ben",
        "Test",
    )
    assert source.learners_by_email(["nobody@example.org"]) == {}
    User.objects.filter(pk=ben.pk).update(is_active=False)
    assert source.learner_by_email("ben@example.org") is None
