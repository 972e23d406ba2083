"""What a worker holds after 10,000 and after 100,000 deliveries, beside a Celery prefork worker."""

from __future__ import annotations

from elevate_integration.models import Registration
from tests.benchmarks import draining, fill, stand
from tests.benchmarks.report import Line, at_most
from tests.benchmarks.rivals.engines import CELERY_PREFORK
from tests.benchmarks.rivals.models import Sale

_GROWTH = 1.05
# Seconds for the hundred thousand, on a machine that is not idle.
_PATIENCE = 900.0


def run(*, small: bool) -> list[Line]:
    """Deliver, look at the memory on the way, and deliver less with Celery."""
    first, last = (200, 2000) if small else (10_000, 100_000)
    early, late = _ours(first, last)
    celery = _celery(200 if small else 2000)
    note = f"RSS {early.rss:.1f} MB after {first}, {late.rss:.1f} MB after {last}"
    found = [at_most("memory", "growth of RSS", late.rss / early.rss, _GROWTH, "{:.3f}x", note=note)]
    # RSS counts pages that Celery's processes share several times, PSS counts them once: the stricter measure.
    for name in ("pss", "rss"):
        held, theirs = getattr(late, name), getattr(celery, name)
        what = f"{name.upper()} summed over the processes, part of Celery's prefork 2"
        note = f"{held:.0f} of {theirs:.0f} MB"
        found.append(at_most("memory", what, held / theirs, 0.5, "{:.2f}", note=note))
    return found


def _ours(first: int, last: int) -> tuple[stand.Memory, stand.Memory]:
    fill.empty()
    fill.due(1, last)
    worker = ("-m", "django", "elevate_worker", "--threads", "8")
    with stand.elevate() as server, stand.processes([worker], server.environment()) as workers:
        stand.wait_until(lambda: server.stats()["count"] >= first, every=0.2, alive=workers)
        early = workers.memory()
        stand.wait_until(
            lambda: server.stats()["count"] >= last, every=0.5, patience=_PATIENCE, alive=workers
        )
        late = workers.memory()
        left = Registration.objects.filter(registration_id="")
        stand.wait_until(lambda: not left.exists(), every=0.1, alive=workers)
    return early, late


def _celery(rows: int) -> stand.Memory:
    Sale.objects.all().delete()
    made = Sale.objects.bulk_create([Sale(person_id=f"M-{n}") for n in range(rows)], batch_size=1000)
    left = Sale.objects.filter(registration_id="")
    with stand.elevate() as server, draining.forgetting():
        CELERY_PREFORK.enqueue([sale.pk for sale in made])
        with stand.processes(CELERY_PREFORK.commands, server.environment()) as workers:
            stand.wait_until(lambda: not left.exists(), every=0.5, alive=workers)
            return workers.memory()
