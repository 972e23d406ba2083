"""The daily mail of new trouble: what it says, to whom, and since when.

Names order lines, products and Elevate's own words; never a learner. What it has told is remembered after the mail was
handed over, so that a mail that fails is made up for by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Count, Max, QuerySet
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from elevate_integration import overview
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.lifecycle import Status
from elevate_integration.models import DeliveryState, Registration, TrackedOrder, UnmappedSale, database
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.staff import delivery_state
from elevate_integration.words import GATES

if TYPE_CHECKING:
    from elevate_integration.words import Text

# Rows written shortly before the last digest may have been committed shortly after it read. Told twice is better than
# never.
OVERLAP = 60.0
_LINES = 20
_ORDERS = 10
_LONGEST = 300

_TITLES: dict[Status, Text] = {
    Status.REFUSED: gettext_lazy("Elevate refused the registration"),
    Status.CANCEL_REFUSED: gettext_lazy("Elevate refused to cancel"),
    Status.UNCONFIRMED: gettext_lazy("The answer was lost: Elevate may or may not have it"),
    Status.CANCELLING: gettext_lazy("Cancellations held back by the brake"),
    Status.HELD: gettext_lazy("Held: details are missing, or it is not certain who the learner is"),
}


@dataclass(frozen=True)
class Section:
    """One kind of new trouble. path: its page, from the address of the admin site."""

    title: str
    number: int
    lines: list[str]
    path: str


@dataclass(frozen=True)
class Digest:
    """What there is to say. stopped: why delivery stands still, told as long as it does. open: what waits in all."""

    stopped: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    open: int = 0

    @property
    def number(self) -> int:
        """How much is new."""
        return sum(section.number for section in self.sections)

    def __bool__(self) -> bool:
        return bool(self.stopped or self.sections)


@dataclass(frozen=True)
class Mail:
    """The digest as a mail, before it is sent."""

    to: list[str]
    subject: str
    body: str


def recipients() -> list[str]:
    """Give the addresses of DIGEST_RECIPIENTS, or else those of Django's MANAGERS."""
    # Pairs of name and address until Django 6, addresses from then on.
    managers = [entry if isinstance(entry, str) else entry[1] for entry in settings.MANAGERS]
    return sorted(conf().digest_recipients) or managers


def prepare(now: datetime) -> Mail | None:
    """Write the mail on what is new since the last one that was sent; None when nothing is wrong."""
    found = collect(delivery_state(), now)
    if not found:
        return None
    subject, body = compose(found, conf().admin_url)
    return Mail(recipients(), subject, body)


def send(mail: Mail | None, now: datetime) -> None:
    """Send the mail, if there is one, and remember that everything before `now` was told.

    Raises what the mail backend raises, with nothing remembered.
    """
    if mail is not None:
        EmailMessage(mail.subject, mail.body, to=mail.to).send()
    DeliveryState.objects.using(database()).update_or_create(pk=1, defaults={"digest_at": now})


def now() -> datetime:
    """Give the database's time, by which new is told from old."""
    return database_now(database())


def collect(state: DeliveryState, now: datetime) -> Digest:
    """Look for what is new since the last digest, and for what holds delivery up. Without a last one all is new."""
    since = None if state.digest_at is None else state.digest_at - timedelta(seconds=OVERLAP)
    sections = [_trouble(status, since) for status in overview.TROUBLED]
    sections += [_unmapped(since), _unreadable(since), _differences(since), _unread_days(since)]
    return Digest(
        stopped=stopped(state, now, conf().dispatcher, Registration.objects.using(database()).oldest_due()),
        sections=[section for section in sections if section.number],
        open=sum(overview.troubled_rows(status).count() for status in overview.TROUBLED),
    )


def stopped(state: DeliveryState, now: datetime, dispatcher: str, oldest_due: datetime | None) -> list[str]:
    """Say why delivery stands still, one sentence for each reason; nothing while all is well."""
    said = []
    if state.paused:
        said.append(
            _("Delivery is paused, by %(who)s since %(when)s: nothing is sent to Elevate.")
            % {"who": one_line(state.paused_by), "when": _moment(state.paused_at)}
        )
    if state.gate:
        why = _("Delivery waits since %(when)s: %(why)s.") % {
            "when": _moment(state.gate_since),
            "why": GATES.get(state.gate, state.gate),
        }
        said.append(f"{why} {one_line(state.gate_message)}".strip())
    if overview.is_silent(state, now, dispatcher):
        said.append(
            _("Nothing is being delivered: the last sign of life was %(when)s. See elevate_worker.")
            % {"when": _moment(state.heartbeat_at)}
        )
    if overview.due_too_long(oldest_due, now):
        said.append(_("A registration has been due since %(when)s.") % {"when": _moment(oldest_due)})
    if state.alarm:
        said.append(_("Alarm: %(text)s") % {"text": one_line(state.alarm)})
    return said


def _moment(value: datetime | None) -> str:
    if value is None:
        return _("never")
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return str(formats.date_format(local, "SHORT_DATETIME_FORMAT"))


def one_line(text: str) -> str:
    """Make foreign text fit for a line of a mail: no line breaks, no e-mail addresses, not endless."""
    hidden = re.sub(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+", "…@…", " ".join(text.split()))
    return hidden if len(hidden) <= _LONGEST else f"{hidden[:_LONGEST]}…"


def _trouble(status: Status, since: datetime | None) -> Section:
    new = _after(overview.troubled_rows(status), "updated_at", since)
    newest = new.select_related("mapping").order_by("-pk")[: overview.GROUPED_AT_MOST]
    groups = overview.group(newest)
    lines = [line for group in groups[:_LINES] for line in group_lines(group)]
    filters = "trouble=parked" if status is Status.CANCELLING else f"status={status}&trouble=yes"
    return Section(
        str(_TITLES[status]),
        new.count(),
        [*lines, *_left_out(len(groups))],
        f"elevate_integration/registration/?{filters}",
    )


def group_lines(group: overview.Trouble) -> list[str]:
    """Write one group: how many of which product and why, then the order lines."""
    words = "; ".join(one_line(text) for text in group.said)
    lines = [f"- {group.number} x {one_line(group.product)}" + (f": {words}" if words else "")]
    places = [one_line(f"{row.order_ref} ({row.seat_key})") for row in group.rows[:_ORDERS]]
    more = group.number - len(places)
    text = ngettext("order line %(places)s", "order lines %(places)s", group.number) % {
        "places": ", ".join(places)
    }
    if more > 0:
        text += " " + ngettext("and %(more)s more", "and %(more)s more", more) % {"more": more}
    return [*lines, f"  {text}"]


def _left_out(number: int) -> list[str]:
    more = number - _LINES
    if more <= 0:
        return []
    return ["- " + ngettext("and %(more)s more", "and %(more)s more", more) % {"more": more}]


def _unmapped(since: datetime | None) -> Section:
    new = _after(UnmappedSale.objects.using(database()).open(), "seen_at", since)
    products = (
        new.values("product_keys")
        .annotate(seats=Count("pk"), title=Max("product_title"))
        .order_by("-seats", "product_keys")
    )
    named = products[: _LINES + 1]
    lines = [
        f"- {product['seats']} x {one_line(product['title'] or product['product_keys'])}" for product in named
    ]
    return Section(
        _("Unmapped sales: nobody was registered"),
        new.count(),
        [*lines[:_LINES], *_left_out(products.count() if len(lines) > _LINES else 0)],
        "elevate_integration/unmappedsale/",
    )


def _unreadable(since: datetime | None) -> Section:
    failing = TrackedOrder.objects.using(database()).filter(failed_at__isnull=False)
    new = _after(failing, "failed_at", since)
    number = new.count()
    # Only the kind of error: its text comes from the store and may name people.
    lines = [
        f"- {one_line(order.order_ref)}: {one_line(order.last_error.partition(':')[0])}"
        for order in new.order_by("-failed_at")[:_LINES]
    ]
    return Section(
        _("Orders that cannot be read: their registrations do not follow them"),
        number,
        [*lines, *_left_out(number)],
        "elevate_integration/trackedorder/?failed=yes",
    )


def _differences(since: datetime | None) -> Section:
    new = _after(Discrepancy.objects.using(database()).waiting(), "first_seen_at", since)
    kinds = new.order_by().values_list("kind").annotate(number=Count("pk")).order_by("-number", "kind")
    words = dict(Discrepancy.Kind.choices)
    return Section(
        _("Differences with Elevate's report"),
        new.count(),
        [f"- {number} x {words.get(kind, kind)}" for kind, number in kinds],
        "elevate_integration/discrepancy/",
    )


def _unread_days(since: datetime | None) -> Section:
    unread = ReconciledDay.objects.using(database()).filter(state=ReconciledDay.State.UNREAD)
    new = _after(unread, "read_at", since)
    number = new.count()
    lines = [f"- {day.day.isoformat()}: {one_line(day.message)}" for day in new.order_by("-day")[:_LINES]]
    return Section(
        _("Days of Elevate's report that could not be read: nothing is called missing because of it"),
        number,
        [*lines, *_left_out(number)],
        "elevate_integration/reconciledday/?reading=unread",
    )


def _after(rows: Any, name: str, since: datetime | None) -> QuerySet:
    later: QuerySet = rows if since is None else rows.filter(**{f"{name}__gt": since})
    return later


def compose(digest: Digest, admin_url: str) -> tuple[str, str]:
    """Write subject and body. admin_url: the address of the admin site with a slash at its end, or "" for no links."""
    subject = []
    if digest.stopped:
        subject.append(_("delivery stands still"))
    if digest.number:
        subject.append(
            ngettext(
                "%(number)s new thing needs a person", "%(number)s new things need a person", digest.number
            )
            % {"number": digest.number}
        )
    paragraphs = []
    if digest.stopped:
        paragraphs.append(
            [
                *(f"! {text}" for text in digest.stopped),
                *_link(admin_url, "elevate_integration/deliverystate/"),
            ]
        )
    paragraphs += [
        [f"{section.title} ({section.number})", *section.lines, *_link(admin_url, section.path)]
        for section in digest.sections
    ]
    paragraphs.append(
        [
            _("Registrations that wait for a person in all: %(number)s.") % {"number": digest.open},
            _("This mail lists what is new since the last one. It is not sent on days without trouble."),
            *_link(admin_url, "elevate_integration/"),
        ]
    )
    return "Elevate: " + ", ".join(subject), _joined(paragraphs)


def _link(admin_url: str, path: str) -> Sequence[str]:
    return [f"  {admin_url}{path}"] if admin_url else []


def _joined(paragraphs: Iterable[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"
