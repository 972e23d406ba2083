"""How single values look: the status word, links, what Elevate said. Everything from outside is escaped."""

from __future__ import annotations

import logging
from typing import Any

from django.template.defaultfilters import truncatechars
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from elevate_integration.conf import order_source
from elevate_integration.lifecycle import Obstacle, Status
from elevate_integration.models import Registration
from elevate_integration.words import STATUSES, situation
from elevate_integration.words import said as said

logger = logging.getLogger(__name__)

_TONES = {
    Status.REGISTERED: "good",
    Status.PENDING: "busy",
    Status.CANCELLING: "busy",
    Status.HELD: "warn",
    Status.UNCONFIRMED: "warn",
    Status.REFUSED: "bad",
    Status.CANCEL_REFUSED: "bad",
}
_SIGNS = {"good": "✓", "busy": "…", "warn": "!", "bad": "✕", "quiet": "○"}


def tone(row: Registration) -> str:
    """Give the tone of a row's status: good, busy, warn, bad or quiet."""
    if row.obstacle == Obstacle.PARKED:
        return "warn"
    return _TONES.get(Status(row.status), "quiet")


def status(row: Registration) -> str:
    """Show the status as a sign, a word and a colour."""
    name = tone(row)
    return format_html(
        '<span class="elevate-status elevate-{}"><span aria-hidden="true">{}</span> {}</span>',
        name,
        _SIGNS[name],
        STATUSES.get(row.status, row.status),
    )


def coming(row: Registration) -> str:
    """Say what happens next, and when if that is later than now."""
    text = str(situation(row.state).next)
    if row.due_at is None or row.claim_token is not None or row.due_at <= timezone.now():
        return text
    return _("%(what)s (next try %(time)s)") % {"what": text, "time": moment(row.due_at)}


def moment(value: Any, form: str = "SHORT_DATETIME_FORMAT") -> str:
    """Show a date and time in the reader's zone and format."""
    if value is None:
        return ""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return str(formats.date_format(local, form))


def day(value: Any) -> str:
    """Show the day of a date and time."""
    return moment(value, "SHORT_DATE_FORMAT")


def last_message(row: Registration) -> str:
    """Give the start of what Elevate said last."""
    return str(truncatechars("; ".join(said(row.error_messages)), 120))


def learner(row: Registration) -> str:
    """Show a learner by name and e-mail, or say that nobody is named."""
    name = f"{row.firstname} {row.lastname}".strip()
    if name and row.email:
        return format_html('{}<br><span class="help">{}</span>', name, row.email)
    return name or row.email or row.remote_user_id or _("nobody named")


def link(url: str, text: str) -> str:
    """Show a link, or the text alone when the address could run a script."""
    safe = url.startswith(("https://", "http://")) or (url.startswith("/") and not url.startswith("//"))
    return format_html('<a href="{}">{}</a>', url, text) if safe else text


def order(order_ref: str) -> str:
    """Show an order, linked to its page in the store if the source knows one."""
    try:
        url = order_source().order_url(order_ref)
    except Exception:
        logger.exception("The order source could not give the address of order %s.", order_ref)
        url = ""
    return link(url or "", order_ref)


def seats_sold(sales: Any, limit: int = 20) -> list[tuple[str, str, str]]:
    """Show the first seats sold without a mapping: order, linked, order line, and when it was seen."""
    rows = sales.order_by("pk")[:limit]
    return [(order(sale.order_ref), sale.seat_key, moment(sale.seen_at)) for sale in rows]
