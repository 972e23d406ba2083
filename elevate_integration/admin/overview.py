"""The overview on the app's own page in the admin: what it shows to whom. Numbers come from `elevate_integration.overview`.

Django finds the template `admin/elevate_integration/app_index.html` on every admin site; that asks here by a template
tag, as Django gives the page no data of ours. A host's site may lack some of our pages: then the links are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from elevate_integration import overview, staff
from elevate_integration.admin import show
from elevate_integration.admin.acts import ACTS
from elevate_integration.admin.base import APP, may
from elevate_integration.clock import database_now
from elevate_integration.conf import conf
from elevate_integration.lifecycle import Obstacle, Status
from elevate_integration.models import DeliveryState, Registration, TrackedOrder, UnmappedSale, database
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.words import GATES, STATUSES

if TYPE_CHECKING:
    from elevate_integration.words import Text

SEES_DELIVERY = ("view_deliverystate", "pause_delivery")
SEES_DAYS = ("view_reconciledday", "compare_day")
SEES_DIFFERENCES = ("view_discrepancy", "decide_discrepancy")
_GROUPS_SHOWN = 20
_COUNTED_AT_MOST = 1000
# What mends trouble, in the order of the buttons. Others need a look at the single row first.
_MENDS = ("retry", "let_go", "mark_cancelled", "keep")
_MENDS_PARKED = ("let_go", "keep")
# Nobody but Elevate knows how these stand.
_LOOK_FIRST = (Status.UNCONFIRMED, Status.CANCEL_REFUSED)
_CONDITIONS: dict[str, tuple[str, Text]] = {
    overview.RUNNING: ("good", _("Delivery is running")),
    overview.PAUSED: ("warn", _("Delivery is paused")),
    overview.SILENT: ("bad", _("No sign of life from delivery")),
    "unreachable": ("bad", GATES["unreachable"]),
    "key": ("bad", GATES["key"]),
    "busy": ("warn", GATES["busy"]),
}


@dataclass(frozen=True)
class Switched:
    """One entry of the history of delivery: who did what, when."""

    who: str
    when: str
    what: str


@dataclass(frozen=True)
class Delivery:
    """How delivery is, in words, and what this person may do about it."""

    condition: str
    tone: str
    word: Text
    state: DeliveryState
    dispatcher: str
    url: str
    may_act: bool
    act_urls: dict[str, str]
    history: list[Switched]


@dataclass(frozen=True)
class Number:
    """One line of the numbers: a status, how many, and where they are listed."""

    label: str
    number: str
    url: str


@dataclass(frozen=True)
class Button:
    """An act on the rows of a group. It leads to the page that asks."""

    label: Text
    number: int
    url: str
    pks: str


@dataclass(frozen=True)
class TroubleShown:
    """One group of trouble with its mends. look_first: the rows are to be looked at before anything is pressed."""

    trouble: overview.Trouble
    status: str
    tone: str
    buttons: list[Button]
    list_url: str
    look_first: bool
    mapping_url: str


@dataclass(frozen=True)
class AlsoWaits:
    """Something else that waits for a person, as one sentence with a link."""

    text: str
    url: str


@dataclass(frozen=True)
class Overview:
    """What this person may see. Parts that they may not see are None or empty."""

    delivery: Delivery | None = None
    sees_registrations: bool = False
    numbers: list[Number] = field(default_factory=list)
    oldest_due: str = ""
    oldest_due_for: str = ""
    due_too_long: bool = False
    chart: dict[str, Any] | None = None
    hours: list[tuple[str, int]] = field(default_factory=list)
    in_all: int = 0
    median: str = ""
    slow: str = ""
    sample: int = 0
    troubles: list[TroubleShown] = field(default_factory=list)
    more_groups: int = 0
    more_rows: list[Text] = field(default_factory=list)
    grouped_at_most: int = 0
    also: list[AlsoWaits] = field(default_factory=list)
    trouble_url: str = ""


def page_url(request: HttpRequest, name: str, *args: Any, **query: Any) -> str:
    """Give the address of a page of ours on the admin site of this request, or "" when it is not there."""
    try:
        url = reverse(f"admin:{APP}_{name}", args=args, current_app=getattr(request, "current_app", None))
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(query)}" if query else url


def build(request: HttpRequest) -> Overview:
    """Gather what this person may see."""
    now = database_now(database())
    parts: dict[str, Any] = {"delivery": delivery(request, now), "also": _also(request)}
    if may(request, "view_registration"):
        parts |= _registrations(request, now)
    return Overview(**parts)


def delivery(request: HttpRequest, now: datetime) -> Delivery | None:
    """Tell how delivery is to those who may see it."""
    if not may(request, *SEES_DELIVERY):
        return None
    state = staff.delivery_state()
    found = overview.condition(state, now, conf().dispatcher)
    tone, word = _CONDITIONS.get(found, ("warn", GATES.get(found, found)))
    url = page_url(request, "deliverystate_changelist")
    return Delivery(
        condition=found,
        tone=tone,
        word=word,
        state=state,
        dispatcher=conf().dispatcher,
        url=url,
        may_act=bool(url) and may(request, "pause_delivery"),
        act_urls={
            name: page_url(request, "deliverystate_act", name) for name in ("pause", "resume", "clear_alarm")
        },
        history=history(3),
    )


def history(at_most: int) -> list[Switched]:
    """Give the last acts on delivery, the newest first."""
    kind = ContentType.objects.get_for_model(DeliveryState)
    entries = LogEntry.objects.filter(content_type=kind, object_id="1").select_related("user").order_by("-pk")
    return [
        Switched(entry.user.get_username(), show.moment(entry.action_time), entry.get_change_message())
        for entry in entries[:at_most]
    ]


def duration(seconds: float) -> str:
    """Say a duration in its largest fitting unit."""
    if seconds >= 2 * 86400:
        number = round(seconds / 86400)
        text = ngettext("%(number)s day", "%(number)s days", number)
    elif seconds >= 2 * 3600:
        number = round(seconds / 3600)
        text = ngettext("%(number)s hour", "%(number)s hours", number)
    elif seconds >= 2 * 60:
        number = round(seconds / 60)
        text = ngettext("%(number)s minute", "%(number)s minutes", number)
    else:
        number = max(round(seconds), 1)
        text = ngettext("%(number)s second", "%(number)s seconds", number)
    return text % {"number": number}


def _registrations(request: HttpRequest, now: datetime) -> dict[str, Any]:
    counted = overview.by_status()
    oldest = Registration.objects.oldest_due()
    local = timezone.localtime(now) if timezone.is_aware(now) else now
    hours = overview.went_through(local)
    waits = overview.waits(now)
    in_all = sum(hour.number for hour in hours)
    return {
        "sees_registrations": True,
        "numbers": [
            Number(
                show.status(Registration(status=status)),
                overview.number_words(counted[status], overview.COUNTED_AT_MOST),
                page_url(request, "registration_changelist", status=status),
            )
            for status in STATUSES
            if counted.get(status)
        ],
        "oldest_due": show.moment(oldest),
        "oldest_due_for": duration((now - oldest).total_seconds()) if oldest else "",
        "due_too_long": overview.due_too_long(oldest, now),
        "hours": [(show.moment(hour.start), hour.number) for hour in reversed(hours) if hour.number],
        "in_all": in_all,
        "chart": _chart(hours) if in_all else None,
        "median": duration(waits.median) if waits else "",
        "slow": duration(waits.slow) if waits else "",
        "sample": waits.sample if waits else 0,
        **_trouble(request, counted),
    }


def _chart(hours: list[overview.Hour]) -> dict[str, Any]:
    return {
        "labels": [show.moment(hour.start, "TIME_FORMAT") for hour in hours],
        "titles": [show.moment(hour.start) for hour in hours],
        "values": [hour.number for hour in hours],
    }


def _trouble(request: HttpRequest, counted: dict[str, int]) -> dict[str, Any]:
    found = overview.troubles(counted)
    return {
        "troubles": [_shown(request, trouble) for trouble in found.groups[:_GROUPS_SHOWN]],
        "more_groups": max(len(found.groups) - _GROUPS_SHOWN, 0),
        "grouped_at_most": overview.GROUPED_AT_MOST,
        "more_rows": [STATUSES[status] for status in found.more],
        "trouble_url": page_url(request, "registration_changelist", trouble="yes"),
    }


def _shown(request: HttpRequest, trouble: overview.Trouble) -> TroubleShown:
    first = trouble.first
    if trouble.number == 1:
        list_url = page_url(request, "registration_change", first.pk)
    elif first.obstacle == Obstacle.PARKED:
        list_url = page_url(request, "registration_changelist", trouble="parked", mapping=first.mapping_id)
    else:
        list_url = page_url(
            request, "registration_changelist", status=first.status, trouble="yes", mapping=first.mapping_id
        )
    mend_is_in_mapping = first.status == Status.REFUSED and may(
        request, "map_product", "view_productmapping", "change_productmapping"
    )
    return TroubleShown(
        trouble=trouble,
        status=show.status(first),
        tone=show.tone(first),
        buttons=_buttons(request, trouble),
        list_url=list_url,
        look_first=first.status in _LOOK_FIRST,
        mapping_url=page_url(request, "productmapping_change", first.mapping_id)
        if mend_is_in_mapping
        else "",
    )


def _buttons(request: HttpRequest, trouble: overview.Trouble) -> list[Button]:
    buttons = []
    for name in _MENDS_PARKED if trouble.first.obstacle == Obstacle.PARKED else _MENDS:
        act, url = ACTS[name], page_url(request, "registration_act", name)
        if not url or not act.allowed(request):
            continue
        fitting = [str(row.pk) for row in trouble.rows if act.possible(row)]
        if fitting:
            buttons.append(Button(act.label, len(fitting), url, ",".join(fitting)))
    return buttons


def _also(request: HttpRequest) -> list[AlsoWaits]:
    found = []
    if may(request, "view_unmappedsale", "map_product"):
        found.append(
            _also_waits(
                UnmappedSale.objects.open(),
                page_url(request, "unmappedsale_changelist"),
                lambda n: ngettext(
                    "%(number)s seat was sold without a mapping: nobody was registered.",
                    "%(number)s seats were sold without a mapping: nobody was registered.",
                    n,
                ),
            )
        )
    if may(request, "view_registration"):
        found.append(
            _also_waits(
                Registration.objects.filter(duplicate_ids__isnull=False),
                page_url(request, "registration_duplicates"),
                lambda n: ngettext(
                    "%(number)s seat is registered twice at Elevate.",
                    "%(number)s seats are registered twice at Elevate.",
                    n,
                ),
            )
        )
        found.append(
            _also_waits(
                Registration.objects.under_another_id(),
                page_url(request, "registration_changelist", trouble="renamed"),
                lambda n: ngettext(
                    "%(number)s registration is at Elevate under an older user ID.",
                    "%(number)s registrations are at Elevate under an older user ID.",
                    n,
                ),
            )
        )
    if may(request, "view_trackedorder"):
        found.append(
            _also_waits(
                TrackedOrder.objects.filter(failed_at__isnull=False),
                page_url(request, "trackedorder_changelist", failed="yes"),
                lambda n: ngettext(
                    "%(number)s order cannot be read: its registrations do not follow it.",
                    "%(number)s orders cannot be read: their registrations do not follow them.",
                    n,
                ),
            )
        )
    return [waits for waits in (*found, *_compared(request)) if waits is not None]


def _compared(request: HttpRequest) -> Iterator[AlsoWaits | None]:
    """What the comparison with Elevate's report has left to a person."""
    if may(request, *SEES_DIFFERENCES):
        yield _also_waits(
            Discrepancy.objects.waiting(),
            page_url(request, "discrepancy_changelist"),
            lambda n: ngettext(
                "%(number)s difference with Elevate's report waits for a decision.",
                "%(number)s differences with Elevate's report wait for a decision.",
                n,
            ),
        )
    if may(request, *SEES_DAYS):
        yield _also_waits(
            ReconciledDay.objects.filter(state=ReconciledDay.State.UNREAD),
            page_url(request, "reconciledday_changelist", reading="unread"),
            lambda n: ngettext(
                "Elevate's report of %(number)s day could not be read. Nothing is called missing because of it.",
                "Elevate's report of %(number)s days could not be read. Nothing is called missing because of it.",
                n,
            ),
        )


def _also_waits(rows: Any, url: str, text: Callable[[int], str]) -> AlsoWaits | None:
    """Count, but not for ever: a shop that maps nothing has as many unmapped sales as seats. None without any."""
    number = rows.order_by()[: _COUNTED_AT_MOST + 1].count()
    words = overview.number_words(number, _COUNTED_AT_MOST)
    return AlsoWaits(text(number) % {"number": words}, url) if number else None
