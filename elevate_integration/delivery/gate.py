"""The gate before every call: pause, a breaker for an Elevate that is away, and the wrong API key.

One row, `DeliveryState`, for all workers. While the gate is shut, one call probes from time to time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Subquery

from elevate_integration.clock import DatabaseNow, database_now
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import AtElevate, Obstacle, Operation, Outcome
from elevate_integration.models import Attempt, DeliveryState, Registration
from elevate_integration.prepared import Prepared

if TYPE_CHECKING:
    from elevate_integration.delivery.outcomes import Result

logger = get_logger(__name__)

UNREACHABLE = "unreachable"
KEY = "key"
BUSY = "busy"

_DISTINCT = 3
_LONGEST_RUN = 1000


def locked(using: str) -> DeliveryState:
    """Give the state's row, made if need be and locked for this transaction."""
    rows = DeliveryState.objects.using(using)
    state = rows.select_for_update().filter(pk=1).first()
    if state is None:
        rows.bulk_create([DeliveryState(pk=1)], ignore_conflicts=True)
        state = rows.select_for_update().get(pk=1)
    return state


def glance() -> dict[str, Subquery]:
    """Give annotations that bring the gate's state along with the rows of another query; see `is_open`."""
    state = DeliveryState.objects.filter(pk=1)
    return {f"gate_{name}": Subquery(state.values(name)[:1]) for name in ("paused", "gate")}


class Look(NamedTuple):
    """What a settle must know of delivery as a whole: the database's time, and whether calls failed before."""

    now: datetime
    gate: str
    failures: int


_LOOK = Prepared(
    lambda: (
        DeliveryState.objects.filter(pk=1)
        .annotate(db_now=DatabaseNow())
        .values_list("db_now", "gate", "failures")
    )
)


def look(using: str) -> Look:
    """Look at the state without locking it."""
    for row in _LOOK(using):
        return Look(*row)
    return Look(database_now(using), "", 0)


def is_open(row: Any) -> bool:
    """Tell from a row that was annotated with `glance` whether calls may go out freely."""
    return not (row.gate_paused or row.gate_gate)


def admits(state: DeliveryState, due: Any, using: str) -> Any:
    """Give the due rows that may go out now: none while paused, one harmless probe while the gate is shut.

    A registration in doubt is no harmless probe: each lost answer may make a second one. It probes only after the
    wait has grown to its ceiling and nothing else came to probe with, or the gate would stay shut for ever in a quiet
    shop. An Elevate that is merely busy turns calls away before it acts, so there nothing is lost by asking.
    """
    now = database_now(using)
    if state.paused or (state.probe_at is not None and state.probe_at > now):
        return due.none()
    harmless = due.exclude(at_elevate=AtElevate.MAYBE)
    waited_long = state.probe_at is not None and state.probe_at <= now - timedelta(
        seconds=conf().retry_ceiling
    )
    if state.gate == BUSY or (waited_long and not harmless.exists()):
        return due
    return harmless


def probing(state: DeliveryState, using: str) -> None:
    """Note that a probe goes out, so that other workers wait."""
    DeliveryState.objects.using(using).filter(pk=state.pk).update(probe_at=DatabaseNow(conf().probe_interval))


def ask_again(using: str) -> None:
    """Let a probe go out at once where delivery waits for another API key: there is one now."""
    DeliveryState.objects.using(using).filter(pk=1, gate=KEY).update(probe_at=DatabaseNow())


def alarm(state: DeliveryState, text: str, now: datetime, using: str) -> None:
    """Raise an alarm that stays until a person clears it."""
    if state.alarm != text:
        logger.error("%s", text, extra=event("elevate.delivery.alarm"))
        state.alarm, state.alarm_at = text, now
        state.save(using=using, update_fields=["alarm", "alarm_at"])


def judge(results: Sequence[Result], seen: Look, using: str) -> None:
    """Draw the conclusions of a group of answers for delivery as a whole. Runs in the settling transaction.

    seen: what `look` gave in the same transaction.
    """
    called = [result for result in results if result.called]
    troubled = any(r.outcome is not Outcome.DONE or r.key_refused for r in called)
    if not called or not (troubled or seen.gate or seen.failures):
        return
    state = locked(using)
    now = database_now(using)
    for result in called:
        _judge_one(state, result, now)
    if any(r.outcome is Outcome.REFUSED and not r.key_refused for r in called):
        _suspect_key(state, called, now, using)
    state.save(using=using, update_fields=["gate", "gate_message", "gate_since", "probe_at", "failures"])


def _judge_one(state: DeliveryState, result: Result, now: datetime) -> None:
    if result.key_refused:
        _shut(state, KEY, result.note, now, conf().probe_interval)
    elif result.outcome in (Outcome.DONE, Outcome.REFUSED) and _was_out_before(state, result):
        state.failures = 0
    elif result.outcome is Outcome.DONE:
        _open(state, now)
    elif result.outcome is Outcome.REFUSED:
        state.failures = 0
        if state.gate != KEY or _said(result) != state.gate_message:
            _open(state, now)
    else:
        # A registration that fails again and again says nothing about Elevate: only its first failure counts.
        state.failures += int(result.claimed.row.failures == 0)
        if result.retry_after is not None:
            _shut(state, BUSY, result.note, now, result.retry_after)
        elif state.failures >= conf().unreachable_after or state.gate == UNREACHABLE:
            _shut(state, UNREACHABLE, result.note, now, conf().probe_interval)


def _was_out_before(state: DeliveryState, result: Result) -> bool:
    """Whether a busy Elevate asked for time while this call was open already: its answer does not end the wait."""
    claimed_at: datetime | None = getattr(result.claimed.row, "db_now", None)
    if state.gate != BUSY or state.gate_since is None or claimed_at is None:
        return False
    return claimed_at < state.gate_since


def _said(result: Result) -> str:
    return "; ".join(text for _, text in result.messages)


def _shut(state: DeliveryState, why: str, message: str, now: datetime, seconds: float) -> None:
    if state.gate != why:
        # Not what Elevate said: that may hold an address. The page of delivery shows it.
        logger.error(
            "Delivery waits (%s): the page of delivery says why.",
            why,
            extra=event("elevate.delivery.waits", reason=why),
        )
        state.gate_since = now
    state.gate, state.gate_message = why, message
    state.probe_at = now + timedelta(seconds=seconds)


def _open(state: DeliveryState, now: datetime) -> None:
    if state.gate:
        logger.info("Delivery goes on.", extra=event("elevate.delivery.goes_on", reason=state.gate))
        state.gate_since = now
    state.gate, state.gate_message, state.failures, state.probe_at = "", "", 0, None


def _suspect_key(state: DeliveryState, called: Sequence[Result], now: datetime, using: str) -> None:
    """Shut the gate when Elevate says the same no to everything: a wrong key has no documented text.

    The refused rows go back to pending: the refusal says nothing about them.
    """
    enough = conf().key_suspect_after
    calls = Attempt.objects.using(using).filter(operation=Operation.REGISTER).exclude(status_code=None)
    if state.gate_since is not None and state.gate != KEY:
        calls = calls.filter(finished_at__gte=state.gate_since)
    last = list(calls.select_related("registration").order_by("-pk")[:enough])
    said = {str(attempt.messages) for attempt in last}
    products = {attempt.registration.remote_product_id for attempt in last}
    learners = {attempt.registration.learner_key for attempt in last}
    all_refused = all(attempt.outcome == Outcome.REFUSED for attempt in last)
    if (
        len(last) < enough
        or not all_refused
        or len(said) != 1
        or min(len(products), len(learners)) < _DISTINCT
    ):
        return
    message = "; ".join(text for _, text in last[0].messages)
    _shut(state, KEY, message, now, conf().probe_interval)
    run = takewhile(
        lambda attempt: attempt.outcome == Outcome.REFUSED and str(attempt.messages) in said,
        calls.order_by("-pk")[:_LONGEST_RUN],
    )
    refused = Registration.objects.using(using).filter(
        pk__in=[attempt.registration_id for attempt in run], obstacle=Obstacle.REFUSED
    )
    for row in refused.filter(at_elevate=AtElevate.ABSENT).select_for_update():
        row.obstacle = Obstacle.NONE
        row.put(row.state)
        row.due_at = now if row.state.next_operation else None
        row.save(using=using, update_fields=["obstacle", "status", "due_at"])
