"""A member's courses, and those of one order: one query each, however many. Reads only; calls nobody.

Whose a registration is, is told by its learner key alone, which is the user ID that the single sign-on sends. An
e-mail address is not enough: who may change his own could read another's courses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet

from elevate_integration.conf import order_source, remote_user_id
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import LIVE
from elevate_integration.members.standing import READY, WAITING, Standing, standing
from elevate_integration.models import OrderMark, ProductMapping, Registration, TrackedOrder, database
from elevate_integration.orders.source import OrderSource
from elevate_integration.wishes import clean

logger = get_logger(__name__)

# Nobody reads more, and a page must stay a page.
_MOST = 200


@dataclass(frozen=True)
class Course:
    """One course as its learner, or the buyer, sees it.

    url: where it can be opened; `""` until it can, and where it is somebody else's.
    mine: whether it is the viewer's own.
    """

    title: str
    standing: Standing
    url: str
    mine: bool
    order_ref: str
    seat_key: str
    remote_product_id: str


@dataclass(frozen=True)
class Found:
    """What there is to show. waiting: something will change within seconds, so that looking again makes sense."""

    courses: tuple[Course, ...] = ()
    waiting: bool = False


def learner_key_of(user: Any) -> str:
    """Give the key under which a log-in's registrations are kept; `""` for visitors and for who is no learner.

    Asks the order source; one that does not say who is behind a log-in leaves it to REMOTE_USER_ID. A source that
    raises is logged, and its user has no courses: these pages are part of the store's own.
    """
    if not getattr(user, "is_authenticated", False):
        return ""
    try:
        source = order_source()
        if type(source).learner_for is OrderSource.learner_for:
            return clean(remote_user_id(user))
        learner = source.learner_for(user)
    except Exception:
        logger.exception(
            "The order source could not tell which learner a log-in is.",
            extra=event("elevate.source.failed", method="learner_for"),
        )
        return ""
    return clean(learner.remote_user_id) if learner is not None else ""


def courses_of(user: Any) -> Found:
    """Give the courses of a log-in, the ones to open first; those that somebody else bought for it too.

    Of several registrations for one product only the best is shown.
    """
    key = learner_key_of(user)
    return _found(_rows(learner_key=key), key) if key else Found()


def courses_of_products(user: Any, remote_product_ids: Iterable[str], order_ref: str = "") -> Found:
    """Give the courses of a log-in for these products, cancelled ones left out.

    order_ref: the order in which they may have been bought just now, if it is known: while there is no course yet,
    the order tells whether one is to come.
    """
    key, products = learner_key_of(user), list(remote_product_ids)
    if not key:
        return Found()
    found = _found(_rows(learner_key=key, remote_product_id__in=products).filter(wanted=True), key)
    if found.courses or not order_ref:
        return found
    return Found(waiting=_is_expected(order_ref, products=products))


def courses_of_order(order_ref: str, seat_keys: Sequence[str], user: Any) -> Found:
    """Give the courses of an order, or of these seats of it, for a viewer who may see the order.

    A visitor who is not logged in is taken for the buyer, a guest: a course's page asks for a log-in of its own.
    """
    rows = _rows(order_ref=order_ref)
    if seat_keys:
        rows = rows.filter(seat_key__in=seat_keys)
    guest = not getattr(user, "is_authenticated", False)
    shown = tuple(_course(row, learner_key_of(user), guest=guest) for row in rows.order_by("pk")[:_MOST])
    if shown:
        return Found(shown, waiting=any(course.standing is WAITING for course in shown))
    return Found(waiting=_is_expected(order_ref, seat_keys))


def seats_of_line(line: Any) -> tuple[str, tuple[str, ...]]:
    """Ask the order source which order and seats a line of its pages is; `("", ())` and a log entry if it raises."""
    try:
        order_ref, keys = order_source().seats_of_line(line)
    except Exception:
        logger.exception(
            "The order source could not name the seats of an order line.",
            extra=event("elevate.source.failed", method="seats_of_line"),
        )
        return "", ()
    return str(order_ref), tuple(keys)


def registration_of(user: Any, remote_product_id: str) -> Course | None:
    """Give the course of a log-in that it has bought and has or is about to get; None when there is none."""
    found = courses_of_products(user, [remote_product_id])
    return found.courses[0] if found.courses else None


def has_course(user: Any, product_key: str) -> bool:
    """Whether a log-in has, or is about to get, a course of this product of the store."""
    key = learner_key_of(user)
    rows = Registration.objects.using(database()).filter(learner_key=key, wanted=True)
    return bool(key) and rows.filter(mapping__product_key=product_key).exists()


def _rows(**conditions: Any) -> QuerySet[Registration]:
    rows = Registration.objects.using(database()).filter(**conditions)
    return rows.select_related("mapping").defer("error_messages", "cancel_details").order_by("-pk")


def _found(rows: QuerySet[Registration], key: str) -> Found:
    best: dict[str, Course] = {}
    for row in rows[:_MOST]:
        course = _course(row, key, guest=False)
        known = best.get(row.remote_product_id)
        if known is None or course.standing.rank < known.standing.rank:
            best[row.remote_product_id] = course
    shown = tuple(sorted(best.values(), key=lambda course: course.standing.rank))
    return Found(shown, waiting=any(course.standing is WAITING for course in shown))


def _course(row: Registration, key: str, *, guest: bool) -> Course:
    stands = standing(row.state, named=bool(row.learner_key), account=bool(row.remote_user_id))
    mine = bool(key) and row.learner_key == key
    opens = stands is READY and (mine or guest) and row.at_elevate in LIVE
    return Course(
        # The parts of a bundle have their own titles in the product mappings.
        title=row.mapping.product_title or row.product_title or row.remote_product_id,
        standing=stands,
        url=(web_address(row.product_url) or web_address(row.site)) if opens else "",
        mine=mine,
        order_ref=row.order_ref,
        seat_key=row.seat_key,
        remote_product_id=row.remote_product_id,
    )


def web_address(text: str) -> str:
    """Give an address if a member may be led there by a link, else `""`. Some were typed or imported by staff."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def _is_expected(order_ref: str, seat_keys: Sequence[str] = (), products: Sequence[str] = ()) -> bool:
    """Whether an order will get registrations of these seats and products, or of any, once it is read."""
    using = database()
    read = TrackedOrder.objects.using(using).filter(order_ref=order_ref, first_synced_at__isnull=False)
    if read.exists() and not OrderMark.objects.using(using).filter(order_ref=order_ref).exists():
        return False
    try:
        snapshot = order_source().snapshot(order_ref)
    except Exception:
        logger.exception(
            "The order source could not read order %s for its buyer's page.",
            order_ref,
            extra=event("elevate.order.not_read", order_ref=order_ref),
        )
        return False
    seats = [] if snapshot is None else [s for s in snapshot.seats if s.active]
    keys = {k for s in seats if not seat_keys or s.key in seat_keys for k in s.product_keys}
    mapped = ProductMapping.objects.using(using).sold_as(keys).filter(active=True, not_for_elevate=False)
    return bool(keys) and (mapped.filter(remote_product_id__in=products) if products else mapped).exists()
