"""Many workers on one queue, two sweeps at once, a lease that runs out under an open call, a deployment."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from django.db import connection, connections
from django.utils import timezone

from elevate_integration.delivery.sweep import Swept, sweep
from elevate_integration.lifecycle import Outcome
from elevate_integration.models import Attempt, OrderMark, Registration, TrackedOrder
from elevate_integration.testing import FakeElevate
from tests.faults.count import Tally, at_rest, expire_leases, sell_seats, wait_until
from tests.faults.crew import Crew
from tests.plainshop.models import Invoice, Item


def crowd(crew: Crew, elevate: FakeElevate, *, workers: int, threads: int, rows: int) -> None:
    """Let many workers empty one queue: each registration goes out once."""
    people = [f"M-{number}" for number in range(rows)]
    sell_seats(people)
    started = time.monotonic()
    for _ in range(workers):
        crew.hire(threads=threads)
    wait_until(at_rest, what="the queue is empty", seconds=600)
    took = time.monotonic() - started
    tally = Tally(elevate, people)
    shares = Counter(held.fields["explanation"] for held in elevate.live())
    tally.report(
        f"{workers} workers on one queue",
        calls=len(elevate.calls),
        workers_that_took_part=len(shares),
        rows_per_second=round(rows / took),
    )
    tally.check(most_doubled=0)
    assert len(elevate.calls) == rows
    assert Attempt.objects.filter(outcome=Outcome.DONE).count() == rows == Attempt.objects.count()
    assert Registration.objects.by_status() == {"registered": rows}


def sweeps_at_once(elevate: FakeElevate, deliver: Any, *, orders: int, sweeps: int) -> None:
    """Sweep orders that nobody marked, several times at the same moment."""
    people = [f"M-{number}" for number in range(orders)]
    invoices = Invoice.objects.bulk_create(
        Invoice(issued=timezone.now(), touched=timezone.now()) for _ in people
    )
    Item.objects.bulk_create(
        Item(
            invoice=invoice,
            course="ETHICS",
            price="120.00",
            person_id=person,
            first_name="Ada",
            last_name="Sample",
            email=f"{person}@example.org",
        )
        for invoice, person in zip(invoices, people, strict=True)
    )
    assert not OrderMark.objects.exists()
    swept: list[Swept] = []
    start = threading.Barrier(sweeps)

    def work() -> None:
        try:
            start.wait(30)
            swept.append(sweep())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(sweeps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    deliver()
    tally = Tally(elevate, people)
    tally.report(f"{sweeps} sweeps at once", made_by_each=[one.created for one in swept])
    assert len(swept) == sweeps
    assert not sum(one.errors for one in swept)
    assert sum(one.created for one in swept) == orders == Registration.objects.count()
    assert TrackedOrder.objects.count() == orders
    tally.check(most_doubled=0)


def lease_runs_out(crew: Crew, elevate: FakeElevate) -> None:
    """Keep a call open until its lease has run out and another worker has repeated it; then let it be answered."""
    first, may_go_on = [], threading.Event()

    def hold_the_first(path: str, fields: dict[str, Any]) -> None:
        if not first:
            first.append(fields["explanation"])
            may_go_on.wait(60)

    elevate.on_call = hold_the_first
    sell_seats(["M-0"])
    slow = crew.hire(threads=1)
    wait_until(lambda: first, what="the first worker calls")
    # The second worker has another thread to repeat with: its own clock says that the lease has run out.
    crew.hire(threads=1)
    wait_until(
        lambda: Registration.objects.get().status == "registered", what="the second worker has registered"
    )
    newer = Registration.objects.get()
    may_go_on.set()
    wait_until(
        lambda: Attempt.objects.filter(sent__explanation=str(slow)).exists(), what="the late answer is in"
    )
    row, late = Registration.objects.get(), Attempt.objects.get(sent__explanation=str(slow))
    tally = Tally(elevate, ["M-0"])
    tally.report("A lease ran out under an open call", late_id_kept=late.answered_id != "")
    tally.check(most_doubled=1)
    same = ("status", "registration_id", "registered_at", "due_at", "claim_token", "failures", "doubts")
    assert [getattr(row, name) for name in same] == [getattr(newer, name) for name in same]
    held = [str(one.registration_id) for one in elevate.live()]
    assert sorted([row.registration_id, late.answered_id]) == sorted(held)
    assert late.outcome == Outcome.DONE


_COLUMN = "deployed_shade"
# The next release in small: its model knows the column that its migration has added.
_NEW_CODE = f"""
from django.db import models
from elevate_integration.models import Registration
models.CharField(max_length=20, null=True).contribute_to_class(Registration, {_COLUMN!r})
"""


def deployment(crew: Crew, elevate: FakeElevate, *, rows: int) -> None:
    """Migrate while old code has calls open, let old and new code run side by side, then new code alone."""
    people = [f"M-{number}" for number in range(rows)]
    may_go_on = threading.Event()
    elevate.on_call = lambda path, fields: may_go_on.wait(60)
    sell_seats(people[: rows // 2])
    old = crew.hire(threads=2)
    wait_until(lambda: elevate.open_calls == 2, what="old code calls")
    table = Registration._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN {_COLUMN} varchar(20) DEFAULT 'plain'")
    try:
        assert Registration.objects.exclude(claim_token=None).count() == 2, "the calls are open all the while"
        may_go_on.set()
        wait_until(at_rest, what="old code goes on under the new schema")
        assert Registration.objects.by_status() == {"registered": rows // 2}
        new = crew.hire(threads=2, code=_NEW_CODE)
        may_go_on.clear()
        sell_seats(people[rows // 2 : -2])
        wait_until(lambda: elevate.open_calls == 4, what="old and new code call side by side")
        may_go_on.set()
        wait_until(at_rest, what="old and new code work side by side")
        may_go_on.clear()
        sell_seats(people[-2:])
        wait_until(lambda: elevate.open_calls == 2, what="calls are open again")
        crew.kill(old)
        crew.kill(new)
        expire_leases()
        may_go_on.set()
        crew.hire(threads=2, code=_NEW_CODE)
        wait_until(at_rest, what="new code finishes what the old one held")
        tally = Tally(elevate, people)
        by = Counter(held.fields["explanation"] for held in elevate.live())
        tally.report(
            "Deployed with calls open",
            registered_by_old_code=by[str(old)],
            by_new_code_beside_it=by[str(new)],
        )
        tally.check(most_doubled=2)
        assert Registration.objects.by_status() == {"registered": rows}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT DISTINCT {_COLUMN} FROM {table}")  # noqa: S608
            assert cursor.fetchall() == [("plain",)]
    finally:
        for pid in list(crew.alive):
            crew.kill(pid)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP COLUMN {_COLUMN}")
