"""The members app as Django sees it."""

from __future__ import annotations

from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Members."""

    name = "example_project.members"
    verbose_name = "Members"
