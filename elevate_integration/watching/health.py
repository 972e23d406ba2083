"""Whether delivery is well, and whether this process can work: for monitors, by whichever door they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError

from elevate_integration import overview, staff
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.events import event, get_logger
from elevate_integration.models import DeliveryState, OrderMark, Registration, TrackedOrder, database

if TYPE_CHECKING:
    from elevate_integration.words import Text

logger = get_logger(__name__)

# What taking an order down needs; a process whose database lacks one of these is older or newer than the migrations.
_NEEDED = (OrderMark, TrackedOrder, Registration, DeliveryState)


@dataclass(frozen=True)
class Health:
    """How delivery is. trouble: one short sentence for each reason why it is not well. Ages in seconds."""

    ok: bool
    condition: str
    trouble: list[Text]
    oldest_due_seconds: float | None
    heartbeat_seconds: float | None


def health() -> Health:
    """Look at delivery: three short queries. Raises what the database raises."""
    using = database()
    state, now = staff.delivery_state(), database_now(using)
    oldest = Registration.objects.using(using).oldest_due()
    trouble = overview.not_well(state, now, conf().dispatcher, oldest)
    beat = state.heartbeat_at
    return Health(
        ok=not trouble,
        condition=overview.condition(state, now, conf().dispatcher),
        trouble=trouble,
        oldest_due_seconds=None if oldest is None else (now - oldest).total_seconds(),
        heartbeat_seconds=None if beat is None else (now - beat).total_seconds(),
    )


def is_ready() -> bool:
    """Tell whether this process can mark orders and show pages: the database answers and has our tables.

    Elevate plays no part: a store goes on selling while Elevate is away.
    """
    try:
        for model in _NEEDED:
            model._default_manager.using(database()).order_by("pk").first()
    except (DatabaseError, InterfaceError):
        logger.warning(
            "This process is not ready: the tables cannot be read.",
            exc_info=True,
            extra=event("elevate.process.not_ready"),
        )
        return False
    return True
