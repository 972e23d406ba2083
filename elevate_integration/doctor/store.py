"""The host's side: whether the order source can be read, and whether members keep the ID that Elevate knows them by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ObjectDoesNotExist
from django.db import DatabaseError

from elevate_integration.conf import conf, order_source, remote_user_id
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding, host_asked, some
from elevate_integration.doctor.settings import CHANGING_ID, as_finding, own_messages
from elevate_integration.models import Registration, database
from elevate_integration.orders.source import OrderSource
from elevate_integration.sync import SyncResult, preview

_SAMPLE = 200
_RENAMED = 1000


def look_at_store() -> Iterator[Finding]:
    """Read one order, as delivery would."""
    code, how = "store.order", "`recent` was asked for an order, and `snapshot` for what is in it."
    try:
        source = order_source()
    except ImproperlyConfigured as error:
        mend = "Set ELEVATE['ORDER_SOURCE'] to the path of your OrderSource."
        yield Finding(ERROR, code, str(error), "The class was imported.", mend)
        return
    name = type(source).__name__
    last = host_asked(lambda: list(islice(source.recent(None), 1)), code, "`recent`")
    if isinstance(last, Finding):
        yield last
        return
    if not last:
        mend = "Is the store empty? If not, correct `recent`."
        yield Finding(WARNING, code, f"{name} lists no order.", "`recent` was asked.", mend)
        return
    shot = host_asked(lambda: source.snapshot(last[0]), code, "`snapshot`")
    if isinstance(shot, Finding):
        yield shot
        return
    seats = "gone" if shot is None else some(len(shot.seats), "seat", "seats")
    text = f"{name} can be read; the first order it lists, {last[0]}, has {seats}."
    yield Finding(OK, code, text, how)


def look_at_members() -> Iterator[Finding]:
    """Tell whether the ID at Elevate is one that stays, and whether everybody has one of his own."""
    yield from _changing()
    rows = Registration.objects.using(database()).under_another_id()
    if renamed := len(rows.order_by("-pk").values_list("pk", flat=True)[:_RENAMED]):
        yield Finding(
            WARNING,
            "members.renamed",
            f"{some(renamed, 'registration is', 'registrations are')} at Elevate under another user ID than the store gives now.",
            "The store's ID was compared with the one that was sent, at each sync.",
            "Tell Elevate's users apart there; `identity_changed()` takes a change over here.",
            {"registrations": renamed},
        )
    yield from _sample()


def _changing() -> Iterator[Finding]:
    which = conf().remote_user_id
    told = [message for message in own_messages() if message.id == CHANGING_ID]
    for message in told:
        yield as_finding(message, "members.id")
    if told:
        return
    how = "Read from ELEVATE['REMOTE_USER_ID']; an order source of your own may give another."
    if callable(which):
        text = "A function of yours gives the user ID at Elevate; whether it stays the same cannot be seen from here."
    else:
        text = (
            f"The user ID at Elevate is `{which}` of the account, not a name or address that members change."
        )
    yield Finding(OK, "members.id", text, how)


def _sample() -> Iterator[Finding]:
    code = "members.sample"
    try:
        model: Any = get_user_model()
        users = model._default_manager.order_by("-pk")
        if any(one.name == "is_active" for one in model._meta.get_fields()):
            users = users.filter(is_active=True)
        sample = list(users[:_SAMPLE])
    except (ImproperlyConfigured, DatabaseError, FieldDoesNotExist):
        return
    if not sample:
        return
    ids = host_asked(lambda: [_id_of(user) for user in sample], code, "REMOTE_USER_ID or `learner_for`")
    if isinstance(ids, Finding):
        yield ids
        return
    empty = ids.count("")
    shared = sum(n for value, n in Counter(ids).items() if value and n > 1)
    data = {"looked_at": len(ids), "empty": empty, "shared": shared}
    text = f"Of the newest {len(ids)} accounts {empty} have no user ID for Elevate, and {shared} share one."
    how = "The ID of each was worked out as for a registration."
    level, mend = OK, ""
    if shared:
        level = ERROR
        mend = "Give each account an ID of its own, or they all are one person at Elevate."
    elif empty == len(ids):
        level, mend = WARNING, "Fill what ELEVATE['REMOTE_USER_ID'] names; seats of these accounts are held."
    elif empty:
        mend = "Seats of those without one are held until they have it."
    yield Finding(level, code, text, how, mend, data)


def _id_of(user: Any) -> str:
    source = order_source()
    try:
        if type(source).learner_for is OrderSource.learner_for:
            return remote_user_id(user)
        learner = source.learner_for(user)
    except ObjectDoesNotExist:
        return ""
    return str(learner.remote_user_id) if learner is not None else ""


def order_now(order_ref: str) -> tuple[Any, SyncResult, Iterable[Registration]]:
    """Give an order's snapshot, what a sync would do, and its registrations. Raises what the order source raises."""
    shot = order_source().snapshot(order_ref)
    (result,) = preview([order_ref])
    return shot, result, Registration.objects.using(database()).of_order(order_ref).select_related("mapping")
