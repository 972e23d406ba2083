"""The rivals' two tables: what is to be registered (in `latency` by us too), and the outbox of those who write one."""

from __future__ import annotations

from django.db import models


class Sale(models.Model):
    """One sold seat. It is done when it has a registration ID."""

    person_id = models.CharField(max_length=100)
    first_name = models.CharField(max_length=100, default="Ada")
    last_name = models.CharField(max_length=100, default="Sample")
    email = models.CharField(max_length=100, default="ada@example.org")
    course = models.CharField(max_length=50, default="ABCD1234")
    sold_at = models.DateTimeField(auto_now_add=True)
    registration_id = models.CharField(max_length=64, blank=True)

    class Meta:
        app_label = "rivals"

    def __str__(self) -> str:
        return self.person_id


class OutboxRow(models.Model):
    """One line to be sent, written with `get_or_create` so that a second signal makes no second row."""

    line = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent = models.BooleanField(default=False)

    class Meta:
        app_label = "rivals"

    def __str__(self) -> str:
        return self.line
