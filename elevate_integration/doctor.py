"""What `elevate_doctor` looks at: whether everything is in place, and what would be sent for one person or order.

Reads only. Nothing here calls Elevate's API; `reach` asks for the site's front page, without the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q

from elevate_integration import overview
from elevate_integration.clock import database_now
from elevate_integration.conf import conf, order_source
from elevate_integration.delivery.sender import make_client, register_request
from elevate_integration.elevate.errors import ElevateError
from elevate_integration.models import (
    OrderMark,
    ProductMapping,
    Registration,
    UnmappedSale,
    database,
)
from elevate_integration.orders.source import Learner, Seat
from elevate_integration.reading import take_details
from elevate_integration.staff import delivery_state
from elevate_integration.sync import SyncResult, preview
from elevate_integration.wishes import details
from elevate_integration.words import GATES, PROBLEMS

OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. level: `ok`, `warning` or `error`; mend: what to do, "" when all is well."""

    level: str
    text: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Look at settings, tables, order source, mappings and delivery. A look that fails is a finding itself."""
    yield from _settings()
    tables = list(_tables())
    yield from tables
    if any(one.level == ERROR for one in tables):
        return
    yield from _source()
    yield from _mappings()
    yield from _delivery()


def reach() -> Finding:
    """Connect to the Elevate site, certificates checked, and ask for its front page."""
    try:
        status = make_client().reach()
    except (ElevateError, ValueError) as error:
        return Finding(ERROR, str(error), "Correct ELEVATE['URL'], or mend the network.")
    return Finding(OK, f"{conf().url} answers (HTTP {status}). The key was not sent.")


def _settings() -> Iterator[Finding]:
    level = {checks.WARNING: WARNING, checks.ERROR: ERROR, checks.CRITICAL: ERROR}
    found = [one for one in checks.run_checks() if str(one.id).startswith("elevate.")]
    for message in found:
        yield Finding(level.get(message.level, OK), f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield Finding(OK, f"The settings are in order. Elevate is {conf().url}.")


def _tables() -> Iterator[Finding]:
    using = database()
    try:
        executor = MigrationExecutor(connections[using])
        targets = [
            key for key in executor.loader.graph.leaf_nodes() if key[0] == Registration._meta.app_label
        ]
        plan = executor.migration_plan(targets)
    except DatabaseError as error:
        text = f"The database `{using}` cannot be reached: {type(error).__name__}."
        yield Finding(ERROR, text, "Start it, or correct DATABASES.")
        return
    if plan:
        yield Finding(ERROR, f"{len(plan)} migrations are missing on `{using}`.", "Run `manage.py migrate`.")
        return
    yield Finding(OK, f"The tables are up to date. The database's clock says {database_now(using)}.")


def _source() -> Iterator[Finding]:
    try:
        source = order_source()
    except ImproperlyConfigured as error:
        yield Finding(ERROR, str(error), "Set ELEVATE['ORDER_SOURCE'] to the path of your OrderSource.")
        return
    name = type(source).__name__
    last = _asked(lambda: list(islice(source.recent(None), 1)))
    if isinstance(last, Finding):
        yield last
        return
    if not last:
        yield Finding(WARNING, f"{name} lists no order.", "Is the store empty? If not, correct `recent`.")
        return
    shot = _asked(lambda: source.snapshot(last[0]))
    if isinstance(shot, Finding):
        yield shot
        return
    seats = "gone" if shot is None else f"{len(shot.seats)} seats"
    yield Finding(OK, f"{name} can be read; the first order it lists, {last[0]}, has {seats}.")


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - whatever a host's source raises is the finding
        text = f"The order source raised {type(error).__name__}: {error}"
        return Finding(ERROR, text, "Mend the order source; until then nothing is registered or cancelled.")


def _mappings() -> Iterator[Finding]:
    using = database()
    mapped = ProductMapping.objects.using(using).filter(active=True, not_for_elevate=False).count()
    if mapped:
        yield Finding(OK, f"{mapped} products are mapped to Elevate.")
    else:
        yield Finding(
            WARNING, "No product is mapped, so nothing is registered.", "Map products in the admin."
        )
    if sales := UnmappedSale.objects.using(using).open().count():
        text = f"{sales} seats were sold of products that nobody has mapped."
        yield Finding(WARNING, text, "Map the products, or say that they are not for Elevate.")


def _delivery() -> Iterator[Finding]:
    using = database()
    state = delivery_state()
    now = database_now(using)
    if state.paused:
        yield Finding(WARNING, f"Delivery is paused by {state.paused_by}.", "Resume it in the admin.")
    if state.gate:
        text = f"Delivery waits: {GATES.get(state.gate, state.gate)}. {state.gate_message}"
        yield Finding(ERROR, text, "It goes on by itself once a probe gets through.")
    if state.alarm:
        yield Finding(ERROR, state.alarm, "Look at the page Delivery in the admin, then clear the alarm.")
    marks, oldest = (
        OrderMark.objects.using(using).due().count(),
        Registration.objects.using(using).oldest_due(),
    )
    waiting = f"{marks} orders are marked"
    if oldest is not None:
        waiting += f", and the oldest call has been due for {(now - oldest).total_seconds():.0f} seconds"
    if overview.is_silent(state, now, conf().dispatcher):
        seen = (
            "Nothing has delivered yet"
            if state.heartbeat_at is None
            else f"Nothing has delivered since {state.heartbeat_at}"
        )
        text = f"{seen}; {waiting}."
        mend = "Run `manage.py elevate_worker`, or `elevate_worker --once` from cron."
        yield Finding(ERROR if marks or oldest else WARNING, text, mend)
    else:
        yield Finding(
            OK, f"Delivery by `{conf().dispatcher}`, last sign of life {state.heartbeat_at}; {waiting}."
        )


@dataclass(frozen=True)
class WouldSend:
    """What Elevate would be told about one person. fields: the JSON body without the key."""

    learner: Learner | None
    fields: dict[str, Any]
    problems: tuple[str, ...]


def find_user(name: str) -> Any:
    """Find a log-in of the host by user name, e-mail address or primary key. Raises LookupError unless it is one."""
    model: Any = get_user_model()
    asked = Q(**{model.USERNAME_FIELD: name})
    email = model.get_email_field_name()
    if email in {field.name for field in model._meta.get_fields()}:
        asked |= Q(**{f"{email}__iexact": name})
    with suppress(ValidationError):
        asked |= Q(pk=model._meta.pk.to_python(name))
    found = list(model._default_manager.filter(asked)[:2])
    if len(found) != 1:
        raise LookupError("Several users have this name." if found else "There is no such user.")
    return found[0]


def would_send(user: Any, product: str = "") -> WouldSend:
    """Work out what a registration of this user would send.

    product: a product key or Remote Product ID; "" takes the first mapping. Without a mapping the ID stays open.
    """
    learner = order_source().learner_for(user)
    row = Registration(order_ref="(order)", seat_key="(seat)", mapping=_mapping(product))
    row.remote_product_id = row.mapping.remote_product_id
    seat = Seat("(seat)", (row.mapping.product_key,), learner, active=True, amount_paid=Decimal(0))
    take_details(row, details(seat))
    problems = tuple(str(PROBLEMS.get(one, one)) for one in row.problems.split(",") if one)
    return WouldSend(learner, register_request(row, conf()).fields(), problems)


def _mapping(product: str) -> ProductMapping:
    rows = ProductMapping.objects.using(database()).filter(not_for_elevate=False).order_by("-active", "pk")
    if product:
        rows = rows.filter(Q(product_key=product) | Q(remote_product_id=product))
    found = rows.first()
    if found is None and product:
        raise LookupError(f"No mapping has the product key or Remote Product ID {product!r}.")
    return found or ProductMapping(product_key="(product)", remote_product_id="(Remote Product ID)")


def order_now(order_ref: str) -> tuple[Any, SyncResult, Iterable[Registration]]:
    """Give an order's snapshot, what a sync would do, and its registrations. Raises what the order source raises."""
    shot = order_source().snapshot(order_ref)
    (result,) = preview([order_ref])
    return shot, result, Registration.objects.using(database()).of_order(order_ref).select_related("mapping")
