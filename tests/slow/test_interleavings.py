"""The interleavings again, sixty of them on the database of the run."""

from __future__ import annotations

import logging

import pytest

from tests.test_interleavings import play, settings_for_speed

__all__ = ["settings_for_speed"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("plainshop", "settings_for_speed")
def test_no_order_of_events_loses_a_seat_or_hides_a_double(elevate, monkeypatch, caplog):
    # The shop is broken now and then on purpose: its tracebacks would bury the counts of the other tests.
    caplog.set_level(logging.CRITICAL, logger="elevate_integration")
    monkeypatch.setenv("INTERLEAVINGS", "60")
    play(elevate)
