"""Ready source for Tendenci 16: event registrations and memberships. Reads Tendenci's models, inside functions only.

Tendenci asks its database while its modules are imported, so nothing of it may be imported here at the top.
What Tendenci does, and when, was seen by running 16.16 and 16.30; docs/tendenci.md tells it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, ClassVar

from django.apps import apps
from django.db import router
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from elevate_integration.orders.accounts import AccountSource, learner_of, users_by_email
from elevate_integration.orders.source import Learner, Product, Seat, Snapshot, Watch

REGISTRATION, MEMBERSHIP, MEMBERSHIP_SET = "registration", "membership", "membershipset"
_MODELS = {
    REGISTRATION: "events.Registration",
    MEMBERSHIP: "memberships.MembershipDefault",
    MEMBERSHIP_SET: "memberships.MembershipSet",
}
_KIND_OF_MODEL = {path.lower(): kind for kind, path in _MODELS.items()}
_PK, _LARGEST_PK = re.compile(r"[1-9][0-9]{0,9}"), 2**31 - 1
_ENDED = ("expired", "archive")


class TendenciSource(AccountSource):
    """What was bought is the order (`registration:12`); its invoice says whether it is paid.

    An invoice would be the order by its look, but a registrant does not know its invoice without a query, and a
    voided invoice is replaced by a new one for the same seats.
    """

    read_with_user = ("profile",)
    # Whether a membership that expires, or is archived when it is renewed, ends access at Elevate as a refund does.
    membership_end_cancels: ClassVar[bool] = False

    def watches(self) -> Iterable[Watch]:
        """Watch whatever changes who has a seat. Payments and refunds save the invoice after themselves."""
        for signal in (post_save, post_delete):
            yield Watch(signal, "invoices.Invoice", ref_of_invoice)
            yield Watch(signal, "events.Registration", ref_of_registration)
            yield Watch(signal, "events.Registrant", ref_of_registrant)
            yield Watch(signal, "memberships.MembershipDefault", ref_of_membership)

    def snapshot(self, order_ref: str) -> Snapshot | None:
        """Read one order."""
        return self.snapshots([order_ref])[order_ref]

    def snapshots(self, order_refs: Sequence[str]) -> dict[str, Snapshot | None]:
        """Read many orders with a handful of queries, however many they are."""
        wanted = _by_kind(order_refs)
        found: dict[str, Snapshot] = {}
        if pks := wanted[REGISTRATION]:
            found |= self._registrations(pks)
        if pks := wanted[MEMBERSHIP]:
            found |= self._memberships(pks)
        if pks := wanted[MEMBERSHIP_SET]:
            found |= self._membership_sets(pks)
        return {ref: found.get(ref) for ref in order_refs}

    def recent(self, since: datetime | None) -> Iterator[str]:
        """Yield what was saved since then, or whose invoice or seats were."""
        for kind, rows in _changed(since):
            for pk in rows.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=500):
                yield f"{kind}:{pk}"

    def placed_at(self, order_ref: str) -> datetime | None:
        """Tell when the registration or membership was asked for; a voided invoice does not make it younger."""
        for kind, pks in _by_kind([order_ref]).items():
            field = "invoice__create_dt" if kind == MEMBERSHIP_SET else "create_dt"
            placed: datetime | None = _rows(kind).filter(pk__in=pks).values_list(field, flat=True).first()
            return placed
        return None

    def products(self, search: str = "", limit: int = 50) -> Iterable[Product]:
        """Offer events with their codes, courses and prices, the newest first, and membership types."""
        found = chain(_offered_events(search, limit), _offered_memberships(search, limit))
        return list(islice(found, limit))

    def product_url(self, product_key: str) -> str:
        """Give the page where an event is booked or a membership applied for. Tendenci has no cart."""
        kind, _, value = product_key.partition(":")
        try:
            path = _membership_page(value) if kind == "membership_type" else _event_page(kind, value)
        except NoReverseMatch:
            return ""
        return f"{_site_url()}{path}" if path else ""

    def guest_id(self, registrant: Any) -> str:
        """Give the ID under which Elevate knows a registrant without a log-in; `""` holds the seat until there is one."""
        return ""

    def seats_of_line(self, line: Any) -> tuple[str, tuple[str, ...]]:
        """Name the seat of a registrant or of a membership."""
        if line._meta.model_name == "registrant":
            return f"{REGISTRATION}:{line.registration_id}", (f"registrant:{line.pk}",)
        bought_with = line.membership_set_id
        ref = f"{MEMBERSHIP_SET}:{bought_with}" if bought_with else f"{MEMBERSHIP}:{line.pk}"
        return ref, (f"membership:{line.pk}",)

    def order_url(self, order_ref: str) -> str:
        """Give the invoice's page, where staff also find what was bought. One query, since lists ask for each row."""
        for kind, pks in _by_kind([order_ref]).items():
            if kind == MEMBERSHIP:
                bills = _invoices().filter(object_type=_content_type(kind), object_id__in=pks)
                pk = bills.order_by("is_void", "-pk").values_list("pk", flat=True).first()
            else:
                pk = _rows(kind).filter(pk__in=pks).values_list("invoice_id", flat=True).first()
            return reverse("invoice.view", args=[pk]) if pk else ""
        return ""

    def _registrations(self, pks: list[int]) -> dict[str, Snapshot]:
        seats = _model("events.Registrant")._base_manager.using(_alias(REGISTRATION))
        people = seats.select_related("user__profile", "pricing").order_by("pk")
        rows = (
            _rows(REGISTRATION)
            .select_related("event__course")
            .prefetch_related(Prefetch("registrant_set", people))
        )
        purchases = list(rows.filter(pk__in=pks))
        invoices = _Invoices(REGISTRATION, purchases)
        accounts = _Accounts(person for one in purchases for person in one.registrant_set.all())
        return {
            f"{REGISTRATION}:{one.pk}": _snapshot(
                f"{REGISTRATION}:{one.pk}",
                invoices.of(one),
                [
                    self._registrant_seat(one, person, accounts.of(person))
                    for person in one.registrant_set.all()
                ],
            )
            for one in purchases
        }

    def _registrant_seat(self, registration: Any, person: Any, user: Any) -> Seat:
        learner = learner_of(user, Learner("", person.first_name, person.last_name, person.email))
        if learner is not None and user is None:
            learner = replace(learner, remote_user_id=self.guest_id(person))
        return Seat(
            key=f"registrant:{person.pk}",
            product_keys=_event_keys(registration.event, person.pricing),
            learner=learner,
            active=person.cancel_dt is None and not registration.canceled,
            amount_paid=person.amount,
            title=registration.event.title,
        )

    def _memberships(self, pks: list[int]) -> dict[str, Snapshot]:
        # One that belongs to a set was bought with the set.
        purchases = list(_members().filter(pk__in=pks, membership_set=None))
        invoices = _Invoices(MEMBERSHIP, purchases)
        found = {}
        for one in purchases:
            ref, invoice = f"{MEMBERSHIP}:{one.pk}", invoices.of(one)
            amount = invoice.total if invoice is not None else Decimal("0.00")
            found[ref] = _snapshot(ref, invoice, [self._membership_seat(one, amount)])
        return found

    def _membership_sets(self, pks: list[int]) -> dict[str, Snapshot]:
        purchases = list(_rows(MEMBERSHIP_SET).filter(pk__in=pks))
        invoices = _Invoices(MEMBERSHIP_SET, purchases)
        members = defaultdict(list)
        for one in _members().filter(membership_set__in=pks).order_by("pk"):
            members[one.membership_set_id].append(self._membership_seat(one, _listed_price(one)))
        return {
            f"{MEMBERSHIP_SET}:{one.pk}": _snapshot(
                f"{MEMBERSHIP_SET}:{one.pk}", invoices.of(one), members[one.pk]
            )
            for one in purchases
        }

    def _membership_seat(self, membership: Any, amount: Decimal) -> Seat:
        detail = membership.status_detail
        # An application that was archived before anybody approved it never was a membership.
        ended = detail in _ENDED and membership.application_approved and not self.membership_end_cancels
        return Seat(
            key=f"membership:{membership.pk}",
            product_keys=(f"membership_type:{membership.membership_type_id}",),
            learner=learner_of(membership.user),
            active=membership.status and (detail == "active" or ended),
            amount_paid=amount,
            title=membership.membership_type.name,
        )


# A mark costs no query: each row knows what it belongs to by its own columns.


def ref_of_invoice(*, instance: Any, **kwargs: Any) -> str:
    """Name what an invoice is for. Django keeps content types in memory: one query in a process' life at most."""
    if not instance.object_type_id or not instance.object_id:
        return ""
    content_type = instance._state.fields_cache.get("object_type")
    if content_type is None:
        content_type = _model("contenttypes.ContentType").objects.get_for_id(instance.object_type_id)
    kind = _KIND_OF_MODEL.get(f"{content_type.app_label}.{content_type.model}")
    return f"{kind}:{instance.object_id}" if kind else ""


def ref_of_registration(*, instance: Any, **kwargs: Any) -> str:
    """Name the registration, the paper that may hold several people."""
    return f"{REGISTRATION}:{instance.pk}"


def ref_of_registrant(*, instance: Any, **kwargs: Any) -> str:
    """Name the registration of one person."""
    return f"{REGISTRATION}:{instance.registration_id}"


def ref_of_membership(*, instance: Any, **kwargs: Any) -> str:
    """Name the membership, or the set with which it was bought."""
    if instance.membership_set_id:
        return f"{MEMBERSHIP_SET}:{instance.membership_set_id}"
    return f"{MEMBERSHIP}:{instance.pk}"


def is_paid(invoice: Any) -> bool:
    """Tell whether an invoice is paid, or free, and not all of it refunded.

    "Tendered" means owed. A void invoice has a balance of zero too. A check leaves `Payment.is_paid` false for ever,
    so only the invoice's own figures count. A refund of a part leaves the balance at zero and keeps the seats. A charge
    that the office adds with *Adjust* (a positive variance) is owed, but takes nothing away that was paid before.
    """
    if invoice is None or invoice.is_void or invoice.status_detail.lower() != "tendered":
        return False
    added = max(invoice.variance, Decimal(0))
    charged = invoice.total - added
    if invoice.balance - added > 0:
        return False
    if invoice.refunds > 0 and (invoice.refunds >= invoice.payments_credits or invoice.refunds >= charged):
        return False
    return bool(charged <= 0 or invoice.payments_credits > 0)


@dataclass
class _Invoices:
    """The invoices of some purchases of one kind, voided ones among them: the usual manager hides those."""

    kind: str
    purchases: Sequence[Any]

    def __post_init__(self) -> None:
        pks = [one.pk for one in self.purchases]
        named = {one.invoice_id for one in self.purchases if getattr(one, "invoice_id", None)}
        of_type = _content_type(self.kind)
        self._by_object: dict[int, list[Any]] = defaultdict(list)
        self._by_pk: dict[int, Any] = {}
        wanted = Q(object_type=of_type, object_id__in=pks) | Q(pk__in=named)
        for invoice in _invoices().filter(wanted).select_related("owner__profile", "creator__profile"):
            self._by_pk[invoice.pk] = invoice
            if invoice.object_type_id == of_type.pk:
                self._by_object[invoice.object_id].append(invoice)

    def of(self, purchase: Any) -> Any:
        """Give a purchase's invoice: the one not void, else the newest; None while there is none."""
        named = self._by_pk.get(getattr(purchase, "invoice_id", None) or 0)
        candidates = [*self._by_object[purchase.pk], *([named] if named is not None else [])]
        return max(candidates, key=lambda one: (not one.is_void, one is named, one.pk), default=None)


def _snapshot(ref: str, invoice: Any, seats: Sequence[Seat]) -> Snapshot:
    paid = is_paid(invoice)
    return Snapshot(
        ref, _buyer(invoice), tuple(seat if paid else replace(seat, active=False) for seat in seats)
    )


def _buyer(invoice: Any) -> Learner | None:
    if invoice is None:
        return None
    billed = Learner("", invoice.bill_to_first_name, invoice.bill_to_last_name, invoice.bill_to_email)
    return learner_of(invoice.owner or invoice.creator, billed)


class _Accounts:
    """Whose log-in a registrant's is, told by the e-mail address as Tendenci tells it when a seat is booked.

    Tendenci looks once and never again: a guest who gets a log-in later stays a guest, and a seat that is passed on
    with *Edit registration* keeps the log-in of the person before, under the new one's name.
    """

    def __init__(self, people: Iterable[Any]) -> None:
        asked = {one.email for one in people if one.email and not _same_email(one)}
        self._by_email = users_by_email(asked, related=TendenciSource.read_with_user)

    def of(self, person: Any) -> Any:
        """Give a registrant's user, or None: two log-ins with one address are nobody's in particular."""
        if person.user is not None and (not person.email or _same_email(person) or _same_name(person)):
            return person.user
        return self._by_email.get(person.email)


def _same_email(person: Any) -> bool:
    return person.user is not None and person.email.casefold() == (person.user.email or "").casefold()


def _same_name(person: Any) -> bool:
    """The same person with another address: one who changed it since, or has several."""
    typed, known = (
        [text.strip().casefold() for text in (one.first_name, one.last_name)] for one in (person, person.user)
    )
    return typed == known


def _event_keys(event: Any, pricing: Any) -> tuple[str, ...]:
    """Name an event, the most specific first: a price belongs to one event, a code or a course may span several."""
    course = event.course.course_code if event.course_id else ""
    keys = (
        f"pricing:{pricing.pk}" if pricing is not None else "",
        f"event:{event.pk}",
        f"event_code:{event.event_code}" if event.event_code else "",
        f"course:{course}" if course else "",
    )
    return tuple(key for key in keys if key)


def _listed_price(membership: Any) -> Decimal:
    """A set's invoice knows one sum; the type's price is what this member cost."""
    kind = membership.membership_type
    price = kind.renewal_price if membership.renewal else kind.price
    return Decimal("0.00") if price is None else price


def _by_kind(order_refs: Iterable[str]) -> dict[str, list[int]]:
    """Sort references by kind. "registration:007" is no order: one order must not be known by two names."""
    found: dict[str, list[int]] = defaultdict(list)
    for ref in order_refs:
        kind, _, number = ref.partition(":")
        if kind in _MODELS and _PK.fullmatch(number) and int(number) <= _LARGEST_PK:
            found[kind].append(int(number))
    return found


def _changed(since: datetime | None) -> Iterator[tuple[str, QuerySet]]:
    if since is None:
        yield REGISTRATION, _rows(REGISTRATION)
        yield MEMBERSHIP, _rows(MEMBERSHIP).filter(membership_set=None)
        yield MEMBERSHIP_SET, _rows(MEMBERSHIP_SET)
        return
    changed = Q(update_dt__gte=since)
    seats = _model("events.Registrant")._base_manager.using(_alias(REGISTRATION)).filter(changed)
    members = _rows(MEMBERSHIP).filter(changed)
    billed = _invoices().filter(changed)

    def billed_as(kind: str) -> Q:
        return Q(pk__in=billed.filter(object_type=_content_type(kind)).values("object_id"))

    own = Q(pk__in=seats.values("registration_id")) | Q(invoice__in=billed.values("pk"))
    yield REGISTRATION, _rows(REGISTRATION).filter(changed | own | billed_as(REGISTRATION))
    yield MEMBERSHIP, _rows(MEMBERSHIP).filter(changed | billed_as(MEMBERSHIP), membership_set=None)
    own = Q(pk__in=members.exclude(membership_set=None).values("membership_set_id"))
    yield MEMBERSHIP_SET, _rows(MEMBERSHIP_SET).filter(own | Q(invoice__in=billed.values("pk")))


def _model(path: str) -> Any:
    return apps.get_model(path)


def _alias(kind: str) -> str:
    """Read where Tendenci writes: a replica may not know the order yet."""
    return router.db_for_write(_model(_MODELS[kind]))


def _rows(kind: str) -> QuerySet:
    rows: QuerySet = _model(_MODELS[kind])._base_manager.using(_alias(kind))
    return rows


def _members() -> QuerySet:
    return _rows(MEMBERSHIP).select_related("user__profile", "membership_type")


def _invoices() -> QuerySet:
    invoice = _model("invoices.Invoice")
    rows: QuerySet = invoice._base_manager.using(router.db_for_write(invoice))
    return rows


def _content_type(kind: str) -> Any:
    return _model("contenttypes.ContentType").objects.get_for_model(_model(_MODELS[kind]))


def _site_url() -> str:
    from tendenci.apps.site_settings.utils import get_setting

    return str(get_setting("site", "global", "siteurl") or "").rstrip("/")


def _open_events() -> QuerySet:
    events = _model("events.Event")
    rows: QuerySet = events._base_manager.using(router.db_for_read(events))
    return rows.filter(status=True)


def _number(text: str) -> int:
    """Read a key that somebody typed; 0, which no row has, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _event_page(kind: str, value: str) -> str:
    """Give the page to book the event, or the next one with this code or course; `""` when there is none."""
    number = _number(value)
    lookups = {
        "event": Q(pk=number),
        "pricing": Q(registration_configuration__regconfpricing=number),
        "event_code": Q(event_code=value),
        "course": Q(course__course_code=value),
    }
    if kind not in lookups or not value:
        return ""
    coming = _open_events().filter(lookups[kind], end_dt__gte=timezone.now()).order_by("start_dt", "pk")
    pk = coming.values_list("pk", flat=True).first()
    if not pk:
        return ""
    page = reverse("event.register", args=[pk])
    return f"{page}?pricing_id={number}" if kind == "pricing" else page


def _membership_page(value: str) -> str:
    number = _number(value)
    forms = _model("memberships.MembershipApp")._base_manager.filter(
        membership_types=number, status=True, status_detail__in=("active", "published")
    )
    slug = forms.order_by("pk").values_list("slug", flat=True).first()
    return reverse("membership_default.add", args=[slug]) if slug else ""


def _offered_events(search: str, limit: int) -> Iterator[Product]:
    texts = ("title", "event_code", "course__course_code", "course__name")
    wanted = Q(registration_configuration__regconfpricing__title__icontains=search)
    for text in texts:
        wanted |= Q(**{f"{text}__icontains": search})
    if search.partition(":")[0] in ("event", "pricing"):
        wanted |= _of_key(search)
    events = _open_events().filter(wanted) if search else _open_events()
    prices = _model("events.RegConfPricing")._base_manager.filter(status=True).order_by("position", "pk")
    events = (
        events.distinct()
        .order_by("-start_dt", "-pk")
        .select_related("course", "registration_configuration")
        .prefetch_related(Prefetch("registration_configuration__regconfpricing_set", prices))
    )
    seen: set[str] = set()
    for event in events[:limit]:
        for product in _products_of(event):
            if product.key not in seen:
                seen.add(product.key)
                yield product


def _of_key(search: str) -> Q:
    kind, _, value = search.partition(":")
    number = _number(value)
    return Q(pk=number) if kind == "event" else Q(registration_configuration__regconfpricing=number)


def _products_of(event: Any) -> Iterator[Product]:
    active = event.end_dt >= timezone.now()
    day = event.start_dt.date().isoformat()
    yield Product(f"event:{event.pk}", f"{event.title} ({day})", active=active)
    if event.course_id and event.course.course_code:
        yield Product(f"course:{event.course.course_code}", event.course.name)
    if event.event_code:
        yield Product(f"event_code:{event.event_code}", event.title, active=active)
    if event.registration_configuration_id:
        for price in event.registration_configuration.regconfpricing_set.all():
            yield Product(f"pricing:{price.pk}", f"{event.title} ({day}): {price}", active=active)


def _offered_memberships(search: str, limit: int) -> Iterator[Product]:
    types = _model("memberships.MembershipType")._base_manager.filter(status=True)
    if search:
        types = types.filter(name__icontains=search)
    for kind in types.order_by("name", "pk")[:limit]:
        yield Product(f"membership_type:{kind.pk}", kind.name, active=kind.status_detail == "active")
