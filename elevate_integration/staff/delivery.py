"""Acts on delivery as a whole: pause, resume, clear the alarm."""

from __future__ import annotations

from django.db import transaction

from elevate_integration.clock import database_now
from elevate_integration.delivery import gate
from elevate_integration.events import event, get_logger
from elevate_integration.locking import write_first
from elevate_integration.models import DeliveryState, database
from elevate_integration.retrying import retried
from elevate_integration.wake import wake

logger = get_logger(__name__)

_ONLY_ROW = 1


def delivery_state() -> DeliveryState:
    """Give the one row to look at. Writes nothing: before the first use it is not stored."""
    return DeliveryState.objects.using(database()).filter(pk=_ONLY_ROW).first() or DeliveryState(pk=_ONLY_ROW)


def _locked() -> DeliveryState:
    write_first(database())
    return gate.locked(database())


@retried
def pause(*, actor: str) -> bool:
    """Send nothing from now on; calls that are open end as usual. False when it was paused already."""
    using = database()
    with transaction.atomic(using=using):
        state = _locked()
        if state.paused:
            return False
        state.paused, state.paused_by, state.paused_at = True, actor[:150], database_now(using)
        state.save(using=using, update_fields=["paused", "paused_by", "paused_at"])
    logger.info("Delivery was paused by a person.", extra=event("elevate.delivery.paused"))
    return True


@retried
def resume(*, actor: str) -> None:
    """Send again, and at once: a wait because Elevate was away or refused the key ends too."""
    using = database()
    with transaction.atomic(using=using):
        state = _locked()
        state.paused, state.paused_by, state.paused_at = False, "", None
        state.gate, state.gate_message, state.gate_since, state.probe_at = "", "", None, None
        state.failures = 0
        state.save(
            using=using,
            update_fields=[
                "paused", "paused_by", "paused_at", "gate", "gate_message", "gate_since", "probe_at", "failures",
            ],
        )  # fmt: skip
        transaction.on_commit(wake, using=using, robust=True)
    logger.info("Delivery was resumed by a person.", extra=event("elevate.delivery.resumed"))


@retried
def clear_alarm(*, actor: str) -> bool:
    """Say that a person has seen the alarm. False when there was none."""
    using = database()
    with transaction.atomic(using=using):
        state = _locked()
        if not state.alarm:
            return False
        logger.info(
            "A person cleared the alarm: %s", state.alarm, extra=event("elevate.delivery.alarm_cleared")
        )
        state.alarm, state.alarm_at = "", None
        state.save(using=using, update_fields=["alarm", "alarm_at"])
    return True
