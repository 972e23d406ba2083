"""Which of a user's attributes Elevate knows him by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from elevate_integration.conf import remote_user_id

USER = SimpleNamespace(pk=7, profile=SimpleNamespace(number="M-7"), nothing=None)


@pytest.mark.parametrize(
    ("which", "value"),
    [
        ("pk", "7"),
        ("profile.number", "M-7"),
        ("nothing", ""),
        (lambda user: f"x{user.pk}", "x7"),
    ],
)
def test_the_user_id_is_what_the_setting_names(settings, which, value):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": which}
    assert remote_user_id(USER) == value


def test_nobody_has_no_user_id():
    assert remote_user_id(None) == ""


def test_a_misspelt_attribute_is_an_error_and_not_an_empty_id(settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "profile.nmber"}
    with pytest.raises(AttributeError):
        remote_user_id(USER)
