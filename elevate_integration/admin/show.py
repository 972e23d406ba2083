"""How single values look: the status word, links, what Elevate said. Everything from outside is escaped."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import truncatechars
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _

from elevate_integration.conf import conf, order_source
from elevate_integration.events import event, get_logger
from elevate_integration.lifecycle import LIVE, Obstacle, Status
from elevate_integration.models import Registration
from elevate_integration.staff import is_duplicate
from elevate_integration.stand_in import is_stand_in
from elevate_integration.words import NOTHING, STATUSES, situation
from elevate_integration.words import said as said

logger = get_logger(__name__)

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


def badge(name: str, text: Any) -> str:
    """Show a word as a sign, a word and a colour. name: of the tone."""
    return format_html(
        '<span class="elevate-status elevate-{}"><span aria-hidden="true">{}</span> {}</span>',
        name,
        _SIGNS[name],
        text,
    )


def status(row: Registration) -> str:
    """Show the status as a sign, a word and a colour."""
    return badge(tone(row), STATUSES.get(row.status, row.status))


def coming(row: Registration) -> str:
    """Say what happens next, and when if that is later than now."""
    text = str(situation(row.state).next)
    if row.due_at is None or row.claim_token is not None or row.due_at <= timezone.now():
        return text
    now = timezone.now()
    if (row.due_at - now).total_seconds() < 60:
        return _("%(what)s (next try in less than a minute)") % {"what": text}
    wait = timeuntil(row.due_at, now, depth=1)
    return _("%(what)s (next try in %(time)s)") % {"what": text, "time": wait}


def still_coming(row: Registration) -> str:
    """Say what happens next where there is no label for it; "" for nothing."""
    return "" if situation(row.state).next is NOTHING else coming(row)


def hints(row: Registration) -> list[str]:
    """Give what else a person should know: a partial refund, and which order covers a seat that was given up."""
    found = []
    if is_duplicate(row):
        found.append(
            _("A second registration at Elevate for one seat, cancelled by staff. The seat keeps the other.")
        )
    other = getattr(row, "covered_by", None)
    if other is not None:
        text = _("Covered by order {}, so access stays.")
        found.append(format_html(text, order(other.order_ref)))
    lowered = row.amount_now is not None and row.amount_paid is not None and row.amount_now < row.amount_paid
    if lowered and row.wanted and row.at_elevate in LIVE and conf().send_amounts:
        text = _("Partly refunded: the store now shows %(now)s instead of %(paid)s. Elevate cannot be told.")
        found.append(text % {"now": _number(row.amount_now), "paid": _number(row.amount_paid)})
    return found


def _number(value: Any) -> str:
    return str(formats.number_format(value, 2))


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


def known_as(row: Registration) -> str:
    """Say who a learner is in one text: by name, else by address or user ID; or that he was forgotten, or never named."""
    name = f"{row.firstname} {row.lastname}".strip() or row.email
    if name or row.forgotten_at is None:
        return name or row.remote_user_id or _("nobody named")
    text = _("forgotten on %(day)s") % {"day": day(row.forgotten_at)}
    return f"{row.remote_user_id}, {text}" if row.remote_user_id else text


def forgotten(row: Registration) -> list[str]:
    """Say since when the learner is forgotten, and what that changes; nothing where that is not so."""
    if row.forgotten_at is None:
        return []
    text = _("Names and addresses were forgotten on %(day)s. A refund still cancels at Elevate.")
    return [text % {"day": day(row.forgotten_at)}]


def other_id(row: Registration) -> str:
    """Show the user ID that the store gives now, if it is another one than Elevate was told."""
    if is_stand_in(row.other_user_id):
        return _("The order now names another account than the one that was forgotten.")
    return row.other_user_id or "-"


def learner(row: Registration) -> str:
    """Show a learner by name and e-mail, or say that nobody is named."""
    name = f"{row.firstname} {row.lastname}".strip()
    if name and row.email:
        # A narrow column breaks an address after the at sign, and not one letter before its end.
        local, at, domain = row.email.rpartition("@")
        return format_html('{}<br><span class="help">{}{}<wbr>{}</span>', name, local, at, domain)
    return known_as(row)


def link(url: str, text: str, *, rel: str = "") -> str:
    """Show a link, or the text alone when the address could run a script. rel: makes it open another window."""
    safe = url.startswith(("https://", "http://")) or (url.startswith("/") and not url.startswith("//"))
    if not safe:
        return text
    away = format_html(' target="_blank" rel="{}"', rel) if rel else ""
    return format_html('<a href="{}"{}>{}</a>', url, away, text)


def order(order_ref: str) -> str:
    """Show an order, linked to its page in the store if the source knows one."""
    try:
        url = order_source().order_url(order_ref)
    except Exception:
        logger.exception(
            "The order source could not give the address of order %s.",
            order_ref,
            extra=event("elevate.source.failed", method="order_url", order_ref=order_ref),
        )
        url = ""
    return link(url or "", order_ref)


def member(row: Registration) -> str:
    """Show a member's user ID, linked to his page in the store if the source knows one."""
    url = ""
    if row.remote_user_id:
        try:
            url = order_source().member_url(row.remote_user_id)
        except Exception:
            logger.exception(
                "The order source could not give the address of a member of %s.",
                row,
                extra=event("elevate.source.failed", method="member_url", order_ref=row.order_ref),
            )
    return link(url or "", row.remote_user_id or "-")


def seats_sold(sales: Any, limit: int = 20) -> list[tuple[str, str, str]]:
    """Show the first of some unmapped sales: order, linked, order line, and when it was seen."""
    rows = sales.order_by("pk")[:limit]
    return [(order(sale.order_ref), sale.seat_key, moment(sale.seen_at)) for sale in rows]
