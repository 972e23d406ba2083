"""The registrations' list, page and acts: who may do what, what is asked first, and what is recorded."""

from __future__ import annotations

import csv
import io
import re
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from elevate_integration import staff
from elevate_integration.admin.acts import ACTS
from elevate_integration.conf import conf
from elevate_integration.delivery.outcomes import Claimed, Result
from elevate_integration.delivery.queue import claim
from elevate_integration.delivery.sender import cancel_request
from elevate_integration.delivery.settling import settle_all
from elevate_integration.lifecycle import AtElevate, Obstacle, Outcome, Status
from elevate_integration.models import Attempt, DeliveryState, OrderMark, Registration, TrackedOrder
from elevate_integration.sync import sync_order
from tests.plainshop.models import Invoice, Item
from tests.plainshop.source import PlainSource
from tests.rows import make_mapping, make_row

LIST = "/admin/elevate_integration/registration/"
MakeRow = Callable[..., Registration]
LogIn = Callable[..., Client]

PRESENT, MAYBE, ABSENT = AtElevate.PRESENT, AtElevate.MAYBE, AtElevate.ABSENT
FITTING: dict[str, dict[str, Any]] = {
    "retry": {"obstacle": Obstacle.REFUSED},
    "let_go": {"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.PARKED},
    "keep": {"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.PARKED},
    "mark_registered": {"at_elevate": MAYBE, "obstacle": Obstacle.DOUBT},
    "mark_cancelled": {"at_elevate": MAYBE, "wanted": False, "obstacle": Obstacle.DOUBT},
    "register_again": {"wanted": False},
    "resync": {},
    "export": {"obstacle": Obstacle.REFUSED},
    "cancel": {"at_elevate": PRESENT},
}
GIVEN = {"mark_registered": {"registration_id": "77"}}


def act_url(name: str) -> str:
    return reverse("admin:elevate_integration_registration_act", args=[name])


def change_url(row: Registration) -> str:
    return f"{LIST}{row.pk}/change/"


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_every_act_is_listed_with_a_fitting_state() -> None:
    assert set(FITTING) == set(ACTS)


@pytest.mark.parametrize("name", FITTING)
def test_an_act_asks_first_and_acts_on_the_confirmed_post(boss: Client, row: MakeRow, name: str) -> None:
    one = row(**FITTING[name])
    before = Registration.objects.filter(pk=one.pk).values().get()
    asked = boss.post(act_url(name), {"pks": one.pk})
    assert asked.status_code == 200
    assert str(ACTS[name].what)[:20] in text_of(asked)
    assert Registration.objects.filter(pk=one.pk).values().get() == before
    assert not LogEntry.objects.exists()

    given = {"pks": one.pk, "confirm": "yes", **GIVEN.get(name, {})}
    done = boss.post(act_url(name), given, follow=True)
    if name == "export":
        assert done["Content-Disposition"].startswith("attachment")
    else:
        assert done.redirect_chain == [(LIST, 302)]
        assert f"{ACTS[name].label}: 1 registration." in text_of(done)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(one.pk), f"{ACTS[name].label}.")


@pytest.mark.parametrize("name", FITTING)
def test_a_forged_post_without_the_permission_is_refused(
    staff_client: LogIn, row: MakeRow, name: str
) -> None:
    others = {act.permission for act in ACTS.values()} - {ACTS[name].permission}
    client = staff_client("view_registration", "view_attempt", "map_product", *others)
    one = row(**FITTING[name])
    before = Registration.objects.filter(pk=one.pk).values().get()
    for extra in ({}, {"confirm": "yes", **GIVEN.get(name, {})}):
        assert client.post(act_url(name), {"pks": one.pk, **extra}).status_code == 403
    assert Registration.objects.filter(pk=one.pk).values().get() == before


@pytest.mark.parametrize("name", FITTING)
def test_the_named_permission_is_enough(staff_client: LogIn, row: MakeRow, name: str) -> None:
    client = staff_client("view_registration", ACTS[name].permission)
    one = row(**FITTING[name])
    assert act_url(name) in text_of(client.get(change_url(one)))
    response = client.post(act_url(name), {"pks": one.pk, "confirm": "yes", **GIVEN.get(name, {})})
    assert response.status_code == (200 if name == "export" else 302)
    assert LogEntry.objects.count() == 1


def test_an_act_without_permission_to_view_is_refused(staff_client: LogIn, row: MakeRow) -> None:
    client = staff_client("retry_registration")
    assert client.post(act_url("retry"), {"pks": row().pk}).status_code == 403


def test_a_viewer_sees_everything_and_no_button(staff_client: LogIn, row: MakeRow) -> None:
    client = staff_client("view_registration")
    for fields in FITTING.values():
        page = text_of(client.get(change_url(row(**fields))))
        assert "/act/" not in page
    page = text_of(client.get(LIST))
    assert 'name="action"' not in page


def test_without_permission_there_is_no_list(staff_client: LogIn, row: MakeRow) -> None:
    client = staff_client("view_deliverystate")
    assert client.get(LIST).status_code == 403
    assert client.get(change_url(row())).status_code == 403


def test_a_person_who_is_not_staff_is_sent_to_log_in(row: MakeRow) -> None:
    response = Client().post(act_url("cancel"), {"pks": row().pk, "confirm": "yes"})
    assert response.status_code == 302
    assert "login" in response["Location"]


def test_an_act_needs_a_post_and_its_token(boss: Client, row: MakeRow) -> None:
    one = row(at_elevate=PRESENT)
    assert boss.get(act_url("cancel"), {"pks": one.pk, "confirm": "yes"}).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = boss.cookies
    assert strict.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes"}).status_code == 403
    one.refresh_from_db()
    assert one.status == Status.REGISTERED


@pytest.mark.parametrize("pks", ["", "987654", ","])
def test_an_act_on_nothing_leads_back(boss: Client, pks: str) -> None:
    response = boss.post(act_url("retry"), {"pks": pks, "confirm": "yes"}, follow=True)
    assert "Nothing was chosen" in text_of(response)


@pytest.mark.parametrize("pks", ["x", "1;2", "-1", "9" * 30, "²"])
def test_keys_that_are_none_are_refused(boss: Client, pks: str) -> None:
    assert boss.post(act_url("retry"), {"pks": pks}).status_code == 400


def test_an_unknown_act_is_not_found(boss: Client) -> None:
    assert boss.post(act_url("explode"), {"pks": "1"}).status_code == 404


def test_many_are_asked_about_from_the_list_and_the_unfitting_are_left(boss: Client, row: MakeRow) -> None:
    refused = [row(obstacle=Obstacle.REFUSED) for _ in range(3)]
    fine = row(at_elevate=PRESENT)
    chosen = [one.pk for one in [*refused, fine]]
    asked = boss.post(f"{LIST}?status=refused", {"action": "retry", "_selected_action": chosen[:3]})
    assert "3 registrations were chosen" in text_of(asked)
    assert "_changelist_filters=status%3Drefused" in text_of(asked)
    assert {one.status for one in Registration.objects.filter(pk__in=chosen[:3])} == {Status.REFUSED}

    ask_all = boss.post(LIST, {"action": "retry", "_selected_action": chosen})
    assert "1 of them cannot be acted upon" in text_of(ask_all)
    done = boss.post(
        act_url("retry") + "?_changelist_filters=status%3Drefused",
        {"pks": ",".join(map(str, chosen)), "confirm": "yes"},
        follow=True,
    )
    assert done.redirect_chain[0][0] == f"{LIST}?status=refused"
    assert "Retry: 3 registrations." in text_of(done)
    assert "1 left as it was: it is registered already." in text_of(done)
    assert LogEntry.objects.count() == 3


def test_a_confirm_smuggled_into_the_list_changes_nothing(boss: Client, row: MakeRow) -> None:
    one = row(at_elevate=PRESENT)
    boss.post(LIST, {"action": "cancel", "_selected_action": [one.pk], "confirm": "yes"})
    one.refresh_from_db()
    assert one.wanted


def test_more_rows_than_form_fields_are_allowed_can_be_chosen(boss: Client, row: MakeRow) -> None:
    template = row(obstacle=Obstacle.REFUSED)
    fields = {
        f.name: getattr(template, f.name) for f in Registration._meta.concrete_fields if not f.primary_key
    }
    many = [Registration(**{**fields, "order_ref": f"many-{number}"}) for number in range(1200)]
    Registration.objects.bulk_create(many)
    asked = boss.post(LIST, {"action": "retry", "_selected_action": [template.pk], "select_across": "1"})
    assert "1201 registrations were chosen" in text_of(asked) or "1,201" in text_of(asked)
    pks = ",".join(str(pk) for pk in Registration.objects.values_list("pk", flat=True))
    boss.post(act_url("retry"), {"pks": pks, "confirm": "yes"})
    assert not Registration.objects.exclude(status=Status.PENDING).exists()


def test_cancel_says_what_it_does_not_do_and_starts_from_the_settings(
    boss: Client, row: MakeRow, settings: Any
) -> None:
    settings.ELEVATE = {
        **settings.ELEVATE,
        "CANCELLATIONS_EMAIL": "desk@example.org",
        "CANCELLATION_EXPLANATION": "Order {{ registration.order_ref }}",
        "CANCELLATION_EXPLANATION_FOR_USER": lambda registration: "computed",
        "CANCELS_PER_HOUR": 7,
    }
    page = text_of(boss.post(act_url("cancel"), {"pks": row(at_elevate=PRESENT).pk}))
    assert "refunds no money" in page
    assert "At most 7 cancellations an hour" in page
    assert 'value="desk@example.org"' in page
    assert "registration.order_ref" not in page
    assert "computed" not in page


def test_cancel_keeps_what_was_typed(boss: Client, row: MakeRow) -> None:
    one = row(at_elevate=PRESENT)
    typed = {
        "explanation": "Moved",
        "explanation_for_user": "See you",
        "email": "o@example.org",
        "notify": "on",
    }
    boss.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes", **typed})
    one.refresh_from_db()
    assert one.cancel_details == {**typed, "notify": True}
    assert (one.trigger, one.actor) == ("staff", "boss@example.org")


def test_a_wrong_address_is_asked_for_again(boss: Client, row: MakeRow) -> None:
    one = row(at_elevate=PRESENT)
    page = text_of(boss.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes", "email": "nobody"}))
    assert "Please correct the errors below" in page
    one.refresh_from_db()
    assert one.wanted


def test_a_cancel_that_another_order_covers_says_so(boss: Client, row: MakeRow) -> None:
    row(learner_key="M-1", at_elevate=PRESENT)
    one = row(learner_key="M-1", at_elevate=PRESENT)
    page = text_of(
        boss.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes", "detail": "yes"}, follow=True)
    )
    assert "another paid order covers the same member and product" in page


def test_mark_registered_is_for_one(boss: Client, row: MakeRow) -> None:
    first, second = (row(**FITTING["mark_registered"]) for _ in range(2))
    boss.post(
        act_url("mark_registered"),
        {"pks": f"{first.pk},{second.pk}", "confirm": "yes", "registration_id": "77"},
    )
    assert list(Registration.objects.filter(status=Status.REGISTERED)) == [first]
    assert "mark_registered" not in text_of(boss.get(LIST))


def test_retry_does_not_let_cancels_go_for_those_who_may_not(staff_client: LogIn, row: MakeRow) -> None:
    one = row(**FITTING["let_go"])
    client = staff_client("view_registration", "retry_registration")
    page = text_of(client.post(act_url("retry"), {"pks": one.pk, "confirm": "yes"}, follow=True))
    assert "the brake holds this cancellation back" in page
    one.refresh_from_db()
    assert one.obstacle == Obstacle.PARKED


def test_a_failing_resync_is_told_with_its_reason(boss: Client, row: MakeRow) -> None:
    PlainSource.broken = ValueError("shop is closed")
    page = text_of(boss.post(act_url("resync"), {"pks": row().pk, "confirm": "yes"}, follow=True))
    assert "shop is closed" in page
    assert not LogEntry.objects.exists()
    assert TrackedOrder.objects.get().last_error


def test_many_resyncs_are_left_to_delivery(boss: Client, row: MakeRow) -> None:
    pks = ",".join(str(row().pk) for _ in range(101))
    page = text_of(boss.post(act_url("resync"), {"pks": pks, "confirm": "yes"}, follow=True))
    assert "read in the background" in page
    assert OrderMark.objects.count() == 101


def test_what_elevate_says_is_escaped_everywhere(boss: Client, row: MakeRow) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    one = row(
        at_elevate=PRESENT,
        wanted=False,
        obstacle=Obstacle.CANCEL_REFUSED,
        error_messages=[[evil, evil]],
        product_url=f"javascript:alert(1)//{evil}",
        firstname=evil,
        order_ref=evil,
        product_title=evil,
    )
    Attempt.objects.create(
        registration=one, finished_at=timezone.now(), operation="register", outcome="refused", messages=[[evil, evil]], sent={evil: evil},
        body=evil, note=evil, actor=evil, trigger=evil[:20], answered_id=evil[:64],
    )  # fmt: skip
    for page in (
        text_of(boss.get(LIST)),
        text_of(boss.get(change_url(one))),
        text_of(boss.post(act_url("cancel"), {"pks": one.pk})),
    ):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript' not in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "is registered at Elevate"),
        ({"due_at": timezone.now() + timedelta(days=1)}, "next try"),
        ({"obstacle": Obstacle.INCOMPLETE, "problems": "no_email,new_code"}, "no e-mail address"),
        ({"obstacle": Obstacle.IDENTITY, "problems": "same_email"}, "another user ID"),
        ({"obstacle": Obstacle.REFUSED}, "its own words are below"),
        ({"at_elevate": MAYBE}, "sent once more"),
        ({"at_elevate": MAYBE, "obstacle": Obstacle.DOUBT}, "may or may not have it"),
        ({"at_elevate": MAYBE, "wanted": False, "obstacle": Obstacle.DOUBT}, "not sent again"),
        ({"at_elevate": PRESENT}, "registered at Elevate"),
        ({"at_elevate": PRESENT, "wanted": False}, "read a second time"),
        ({"at_elevate": PRESENT, "wanted": False, "confirmed": True}, "is cancelled at Elevate"),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.PARKED}, "brake holds"),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.COVERED}, "another paid order"),
        ({"at_elevate": PRESENT, "wanted": False, "obstacle": Obstacle.CANCEL_REFUSED}, "refused to cancel"),
        ({"at_elevate": AtElevate.LEAVING, "wanted": False, "confirmed": True}, "which is safe"),
        ({"at_elevate": AtElevate.LEAVING}, "registered anew"),
        ({"wanted": False}, "before Elevate knew"),
        ({"wanted": False, "registered_at": timezone.now()}, "was cancelled at Elevate"),
        ({"claim_token": uuid.uuid4(), "claimed_for": "register", "wanted": False}, "is open now"),
    ],
)
def test_the_page_explains_every_state(
    boss: Client, row: MakeRow, fields: dict[str, Any], words: str
) -> None:
    assert words in text_of(boss.get(change_url(row(**fields))))
    assert boss.get(LIST).status_code == 200


def test_the_page_shows_the_last_calls_only(boss: Client, row: MakeRow) -> None:
    one = row()
    Attempt.objects.bulk_create(
        Attempt(
            registration=one,
            finished_at=timezone.now(),
            operation="register",
            outcome="not_sent",
            note=f"call-{n}.",
        )
        for n in range(60)
    )
    page = text_of(boss.get(change_url(one)))
    assert "call-59." in page
    assert "call-9." not in page
    assert "The last 50 of 60 calls are shown." in page


def test_nothing_can_be_edited_added_or_deleted(boss: Client, row: MakeRow) -> None:
    one = row()
    assert boss.get(f"{LIST}add/").status_code == 403
    assert boss.get(f"{LIST}{one.pk}/delete/").status_code == 403
    assert boss.post(change_url(one), {"wanted": ""}).status_code == 403
    assert "delete_selected" not in text_of(boss.get(LIST))


def test_the_list_takes_the_same_few_queries_for_one_row_and_for_many(
    boss: Client, row: MakeRow, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    row()
    boss.get(LIST)
    with django_assert_max_num_queries(9) as one:
        boss.get(LIST)
    for _ in range(40):
        row(obstacle=Obstacle.REFUSED)
    with django_assert_num_queries(len(one)):
        boss.get(LIST)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=refused", {"refused"}),
        ("status=nonsense", {"refused", "registered", "parked"}),
        ("trouble=yes", {"refused", "parked"}),
        ("trouble=parked", {"parked"}),
        ("mapping=0", set()),
        ("mapping=x", {"refused", "registered", "parked"}),
        ("q=findme%40example.org", {"registered"}),
        ("q=OR-REFUSED", {"refused"}),
        ("created_from=2026-01-10&created_to=2026-01-10", {"registered"}),
        ("created_from=2026-01-11", {"parked", "refused"}),
        ("created_to=2026-01-09", set()),
        ("created_from=nonsense&created_to=2026-99-99", {"refused", "registered", "parked"}),
    ],
)
def test_filters_and_search(boss: Client, row: MakeRow, query: str, expected: set[str]) -> None:
    refused = row(obstacle=Obstacle.REFUSED, order_ref="OR-REFUSED")
    registered = row(at_elevate=PRESENT, email="FindMe@example.org", email_key="findme@example.org")
    parked = row(at_elevate=PRESENT, wanted=False, obstacle=Obstacle.PARKED)
    day = timezone.make_aware(timezone.datetime(2026, 1, 10, 23, 30))
    Registration.objects.filter(pk=registered.pk).update(created_at=day)
    Registration.objects.exclude(pk=registered.pk).update(created_at=day + timedelta(days=2))
    found = boss.get(f"{LIST}?{query}").context["cl"].queryset
    names = {refused.pk: "refused", registered.pk: "registered", parked.pk: "parked"}
    assert {names[one.pk] for one in found} == expected


def test_the_forms_of_filters_keep_the_other_filters(boss: Client, row: MakeRow) -> None:
    row()
    page = text_of(boss.get(f"{LIST}?status=pending&q=ada&created_from=2020-01-01"))
    assert page.count('<input type="hidden" name="status" value="pending">') >= 2
    assert '<input type="hidden" name="created_from" value="2020-01-01">' in page


@pytest.mark.parametrize(
    ("state", "words"), [({"paused": True}, "is paused"), ({"gate": "key"}, "Delivery waits")]
)
def test_the_list_says_when_nothing_is_sent(
    boss: Client, row: MakeRow, state: dict[str, Any], words: str
) -> None:
    DeliveryState.objects.update_or_create(pk=1, defaults=state)
    assert words in text_of(boss.get(LIST))
    assert words in text_of(boss.get(change_url(row())))


def test_an_order_is_linked_and_a_broken_source_costs_only_the_link(
    boss: Client, row: MakeRow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = row(order_ref="O-77")
    monkeypatch.setattr(PlainSource, "order_url", lambda self, ref: f"/shop/{ref}/")
    assert '<a href="/shop/O-77/">O-77</a>' in text_of(boss.get(change_url(one)))

    def fail(self: Any, ref: str) -> str:
        raise RuntimeError("away")

    monkeypatch.setattr(PlainSource, "order_url", fail)
    assert "O-77" in text_of(boss.get(change_url(one)))
    assert "could not give the address of order O-77" in caplog.text


def test_a_registration_that_is_gone_leads_away(boss: Client) -> None:
    assert boss.get(f"{LIST}99/change/").status_code == 302


def test_many_cancels_ask_for_the_number(boss: Client, row: MakeRow) -> None:
    rows = [row(at_elevate=PRESENT) for _ in range(3)]
    pks = ",".join(str(one.pk) for one in rows)
    assert "Type 3 to show" in text_of(boss.post(act_url("cancel"), {"pks": pks}))
    for number in ("", "2", "x"):
        page = text_of(boss.post(act_url("cancel"), {"pks": pks, "confirm": "yes", "number": number}))
        assert "Please correct the errors below" in page
    assert Registration.objects.filter(wanted=True).count() == 3
    boss.post(act_url("cancel"), {"pks": pks, "confirm": "yes", "number": "3"})
    assert not Registration.objects.filter(wanted=True).exists()
    assert "number" not in (Registration.objects.first().cancel_details or {})


def test_the_next_cancel_starts_from_the_last_texts_of_the_same_person(
    boss: Client, staff_client: LogIn, row: MakeRow
) -> None:
    typed = {"explanation": "Moved to May", "explanation_for_user": "See you in May", "notify": "on"}
    boss.post(act_url("cancel"), {"pks": row(at_elevate=PRESENT).pk, "confirm": "yes", **typed})
    page = text_of(boss.post(act_url("cancel"), {"pks": row(at_elevate=PRESENT).pk}))
    assert "Moved to May" in page
    assert "See you in May" in page
    assert re.search(r'name="notify"[^>]* checked', page)
    other = staff_client("view_registration", "cancel_registration")
    assert "Moved to May" not in text_of(other.post(act_url("cancel"), {"pks": row(at_elevate=PRESENT).pk}))


def test_cancel_says_beforehand_whose_access_another_order_keeps(boss: Client, row: MakeRow) -> None:
    row(learner_key="M-1", at_elevate=PRESENT, order_ref="O-STAYS")
    one = row(learner_key="M-1", at_elevate=PRESENT, order_ref="O-GOES")
    page = text_of(boss.post(act_url("cancel"), {"pks": one.pk}))
    assert "Stays registered: order O-STAYS" in page
    both = ",".join(str(pk) for pk in Registration.objects.values_list("pk", flat=True))
    assert "Stays registered" not in text_of(boss.post(act_url("cancel"), {"pks": both}))


def test_a_covered_registration_names_the_order_that_covers_it(boss: Client, row: MakeRow) -> None:
    row(learner_key="M-1", at_elevate=PRESENT, order_ref="O-STAYS")
    one = row(learner_key="M-1", at_elevate=PRESENT, wanted=False, obstacle=Obstacle.COVERED)
    for address in (f"{LIST}?status=covered", change_url(one)):
        assert "Covered by order O-STAYS" in text_of(boss.get(address))


def test_a_partial_refund_is_shown_as_what_elevate_cannot_be_told(
    boss: Client, row: MakeRow, settings: Any
) -> None:
    one = row(at_elevate=PRESENT, amount_paid="120.00", amount_now="80.00")
    for address in (LIST, change_url(one)):
        assert "the store now shows 80.00 instead of 120.00" in text_of(boss.get(address))
    settings.ELEVATE = {**settings.ELEVATE, "SEND_AMOUNTS": False}
    assert "Partly refunded" not in text_of(boss.get(LIST))


def test_the_page_tells_the_story_of_the_whole_order(boss: Client, row: MakeRow) -> None:
    one = row(order_ref="O-1", at_elevate=PRESENT)
    other = row(order_ref="O-1", seat_key="item:2", firstname="Grace")
    Attempt.objects.create(
        registration=other,
        finished_at=timezone.now(),
        operation="register",
        outcome="refused",
        note="said no.",
    )
    boss.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes"})
    TrackedOrder.objects.create(order_ref="O-1", last_error="shop away", failed_at=timezone.now())
    page = text_of(boss.get(change_url(one)))
    for words in ("said no.", "Grace", "Cancel.", "boss@example.org", "shop away", "All order lines"):
        assert words in page


def test_the_member_and_the_product_are_linked(
    boss: Client, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = row(at_elevate=PRESENT, product_url="https://elevate.example/products/x", remote_user_id="M-7")
    assert "M-7" in text_of(boss.get(change_url(one)))
    monkeypatch.setattr(PlainSource, "member_url", lambda self, user_id: f"/members/{user_id}/")
    page = text_of(boss.get(change_url(one)))
    assert '<a href="/members/M-7/">M-7</a>' in page
    assert 'href="https://elevate.example/products/x" target="_blank" rel="noopener"' in page


def test_a_list_too_long_to_page_says_so(boss: Client, row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elevate_integration.admin.listing.COUNTED_AT_MOST", 2)
    monkeypatch.setattr("elevate_integration.admin.registrations.COUNTED_AT_MOST", 2)
    pks = [row(obstacle=Obstacle.REFUSED).pk for _ in range(3)]
    assert "The newest 2 are listed" in text_of(boss.get(LIST))
    chosen = {"action": "retry", "_selected_action": pks, "select_across": "1"}
    assert "More than 2 were chosen" in text_of(boss.post(LIST, chosen, follow=True))


def test_the_export_is_one_plain_csv_for_one_product(boss: Client, row: MakeRow, settings: Any) -> None:
    settings.ELEVATE = {
        **settings.ELEVATE,
        "MASS_IMPORT_COLUMNS": {"Member": "remote_user_id", "Note": lambda row: "=1+1"},
    }
    rows = [
        row(obstacle=Obstacle.REFUSED, firstname="=cmd()", lastname="Núñez", email="a@example.org"),
        row(obstacle=Obstacle.REFUSED, email="=b@example.org"),
        row(at_elevate=PRESENT),
        row(email=""),
    ]
    pks = ",".join(str(one.pk) for one in rows)
    answer = boss.post(act_url("export"), {"pks": pks, "confirm": "yes"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.reader(io.StringIO(text_of(answer))))
    assert lines == [
        ["email", "firstname", "lastname", "Member", "Note"],
        ["a@example.org", "'=cmd()", "Núñez", rows[0].remote_user_id, "'=1+1"],
    ]
    assert LogEntry.objects.get().object_id == str(rows[0].pk)


def test_the_export_of_several_products_is_a_zip(boss: Client, row: MakeRow) -> None:
    law = make_mapping(product_key="course:LAW", product_title="Law & Order", remote_product_id="LAW1")
    pks = f"{row().pk},{make_row(law).pk}"
    answer = boss.post(act_url("export"), {"pks": pks, "confirm": "yes"})
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert len(names) == 2
    assert names[1] == f"Law-Order-{law.pk}.csv"
    nothing = boss.post(act_url("export"), {"pks": row(email="").pk, "confirm": "yes"}, follow=True)
    assert "Not exported: it has no e-mail address." in text_of(nothing)


def test_a_pending_registration_brought_in_by_import_is_marked(boss: Client, row: MakeRow) -> None:
    one = row(due_at=timezone.now())
    boss.post(act_url("mark_registered"), {"pks": one.pk, "confirm": "yes", "registration_id": "88"})
    one.refresh_from_db()
    assert (one.status, one.registration_id, one.due_at) == (Status.REGISTERED, "88", None)


DUPLICATES = f"{LIST}duplicates/"


@pytest.fixture
def duplicate(row: MakeRow) -> Registration:
    """A seat registered under 501, for which Elevate answered 500 as well."""
    return row(at_elevate=PRESENT, registration_id="501", duplicate_ids="500")


def answered(held: Claimed, registration_id: str = "", outcome: Outcome = Outcome.DONE) -> list[Result]:
    return [Result(held, outcome, registration_id=registration_id, product_url="https://elevate.example/p")]


def lapse() -> None:
    """End all leases."""
    Registration.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert claim(1) == []


def test_a_duplicate_is_cancelled_as_a_registration_of_its_own(boss: Client, duplicate: Registration) -> None:
    chosen = f"{duplicate.pk}:500"
    assert f'value="{chosen}"' in text_of(boss.get(DUPLICATES))
    asked = text_of(boss.post(DUPLICATES, {"chosen": chosen}))
    assert "1 registration is cancelled at Elevate" in asked
    assert 'name="number"' not in asked
    assert Registration.objects.count() == 1
    typed = {"explanation": "Sent twice", "explanation_for_user": "", "notify": "", "email": "o@example.org"}
    for _ in range(2):
        boss.post(DUPLICATES, {"chosen": chosen, "confirm": "yes", **typed})
    owner, made = Registration.objects.order_by("pk")
    assert (owner.status, owner.registration_id) == (Status.REGISTERED, "501")
    assert (made.registration_id, made.status) == ("500", Status.CANCELLING)
    (claimed,) = claim(10)
    assert (claimed.row.pk, claimed.operation) == (made.pk, "cancel")
    request = cancel_request(claimed.row, conf())
    assert (request.registration_id, request.cancellation_explanation) == ("500", "Sent twice")
    settle_all([Result(claimed, Outcome.DONE)])
    made.refresh_from_db()
    owner.refresh_from_db()
    assert (made.status, owner.status) == (Status.CANCELLED, Status.REGISTERED)
    assert "There are none." in text_of(boss.get(DUPLICATES))
    assert "Cancel the duplicate." in text_of(boss.get(change_url(owner)))


def test_several_duplicates_ask_for_the_number_and_start_from_the_last_texts(
    boss: Client, row: MakeRow
) -> None:
    boss.post(
        act_url("cancel"), {"pks": row(at_elevate=PRESENT).pk, "confirm": "yes", "explanation": "Last time"}
    )
    rows = [row(at_elevate=PRESENT, duplicate_ids=f"6{n}\n7{n}") for n in range(2)]
    chosen = [f"{one.pk}:{known}" for one in rows for known in one.duplicates]
    page = text_of(boss.post(DUPLICATES, {"chosen": chosen}))
    assert "Type 4 to show" in page
    assert "Last time" in page
    for number in ("", "3"):
        refused = text_of(boss.post(DUPLICATES, {"chosen": chosen, "confirm": "yes", "number": number}))
        assert "Please correct the errors below" in refused
    assert Registration.objects.filter(staff_cancelled=True).count() == 1
    boss.post(DUPLICATES, {"chosen": chosen, "confirm": "yes", "number": "4", "explanation": "Twice"})
    made = Registration.objects.filter(seat_key__startswith="duplicate:")
    assert {one.registration_id for one in made} == {"60", "70", "61", "71"}
    assert {one.cancel_details["explanation"] for one in made if one.cancel_details} == {"Twice"}
    assert not Registration.objects.filter(duplicate_ids__isnull=False).exists()


def test_the_brake_parks_the_cancel_of_a_duplicate(
    boss: Client, duplicate: Registration, settings: Any
) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "CANCELS_PER_HOUR": 0}
    boss.post(DUPLICATES, {"chosen": f"{duplicate.pk}:500", "confirm": "yes"})
    assert claim(10) == []
    made = Registration.objects.exclude(pk=duplicate.pk).get()
    assert (made.obstacle, made.status) == (Obstacle.PARKED, Status.CANCELLING)
    page = text_of(boss.get(change_url(made)))
    assert "A second registration at Elevate for one seat" in page
    assert "brake holds" in page
    boss.post(act_url("let_go"), {"pks": made.pk, "confirm": "yes"})
    assert [held.row.pk for held in claim(10)] == [made.pk]


def test_a_refused_cancel_of_a_duplicate_waits_for_a_person_like_any_other(
    boss: Client, duplicate: Registration
) -> None:
    boss.post(DUPLICATES, {"chosen": f"{duplicate.pk}:500", "confirm": "yes"})
    (held,) = claim(10)
    settle_all([Result(held, Outcome.REFUSED, messages=(("registration", "Not now"),))])
    made = Registration.objects.exclude(pk=duplicate.pk).get()
    assert made.status == Status.CANCEL_REFUSED
    page = text_of(boss.get(change_url(made)))
    assert "Not now" in page
    assert "There are none." in text_of(boss.get(DUPLICATES))
    boss.post(act_url("mark_cancelled"), {"pks": made.pk, "confirm": "yes"})
    made.refresh_from_db()
    duplicate.refresh_from_db()
    assert (made.status, duplicate.status) == (Status.CANCELLED, Status.REGISTERED)
    assert "There are none." in text_of(boss.get(DUPLICATES))


def test_duplicates_need_the_permission_to_cancel(staff_client: LogIn, duplicate: Registration) -> None:
    client = staff_client("view_registration", "retry_registration", "pause_delivery")
    page = text_of(client.get(DUPLICATES))
    assert "500" in page
    assert 'name="chosen"' not in page
    for extra in ({}, {"confirm": "yes"}):
        assert client.post(DUPLICATES, {"chosen": f"{duplicate.pk}:500", **extra}).status_code == 403
    assert Registration.objects.count() == 1


@pytest.mark.parametrize("name", ["", "x:500", "999999:500", "²:500", "9" * 30 + ":1"])
def test_what_is_no_duplicate_is_passed_over(boss: Client, duplicate: Registration, name: str) -> None:
    for chosen in (name, f"{duplicate.pk}:501", f"{duplicate.pk}"):
        boss.post(DUPLICATES, {"chosen": chosen, "confirm": "yes"})
    assert Registration.objects.count() == 1


@pytest.mark.parametrize("late_first", [True, False])
def test_an_id_that_came_late_is_noted_as_a_duplicate(boss: Client, row: MakeRow, late_first: bool) -> None:
    one = row(due_at=timezone.now())
    (first,) = claim(1)
    lapse()
    Registration.objects.update(due_at=timezone.now())
    (again,) = claim(1)
    for held, known in ((first, "500"), (again, "501")) if late_first else ((again, "501"), (first, "500")):
        settle_all(answered(held, known))
    one.refresh_from_db()
    assert (one.registration_id, one.duplicates) == ("501", ["500"])
    page = text_of(boss.get(DUPLICATES))
    assert f'value="{one.pk}:500"' in page
    Attempt.objects.all().delete()
    assert f'value="{one.pk}:500"' in text_of(boss.get(DUPLICATES)), "pruning attempts loses no duplicate"


def test_the_same_id_twice_is_no_duplicate(boss: Client, row: MakeRow) -> None:
    row(due_at=timezone.now())
    (first,) = claim(1)
    lapse()
    Registration.objects.update(due_at=timezone.now())
    (again,) = claim(1)
    settle_all(answered(first, "500"))
    settle_all(answered(again, "500"))
    assert "There are none." in text_of(boss.get(DUPLICATES))


def test_an_id_from_before_a_cancellation_by_hand_is_no_duplicate(boss: Client, row: MakeRow) -> None:
    one = row(due_at=timezone.now())
    (first,) = claim(1)
    settle_all(answered(first, "500"))
    boss.post(act_url("cancel"), {"pks": one.pk, "confirm": "yes"})
    (held,) = claim(1)
    settle_all([Result(held, Outcome.REFUSED)])
    for name in ("mark_cancelled", "register_again"):
        boss.post(act_url(name), {"pks": one.pk, "confirm": "yes"})
    (held,) = claim(1)
    settle_all(answered(held, "501"))
    one.refresh_from_db()
    assert (one.status, one.registration_id) == (Status.REGISTERED, "501")
    assert "There are none." in text_of(boss.get(DUPLICATES))


def test_an_answer_that_comes_after_the_seat_was_given_up_is_shown(boss: Client, row: MakeRow) -> None:
    one = row(due_at=timezone.now())
    (first,) = claim(1)
    Registration.objects.update(wanted=False)
    lapse()
    boss.post(act_url("mark_cancelled"), {"pks": one.pk, "confirm": "yes"})
    settle_all(answered(first, "500"))
    one.refresh_from_db()
    assert one.status == Status.WITHDRAWN
    page = text_of(boss.get(DUPLICATES))
    assert "none: the seat is not registered" in page
    assert f'value="{one.pk}:500"' in page


def test_the_duplicates_are_found_along_an_index(row: MakeRow, django_assert_num_queries: Any) -> None:
    row(at_elevate=PRESENT, registration_id="501", duplicate_ids="500")
    with django_assert_num_queries(3) as asked:
        staff.duplicates()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
            assert "elevate_registration_double" in str(cursor.fetchall())


def test_a_sync_leaves_a_duplicate_alone(boss: Client, mapping: Any) -> None:
    invoice = Invoice.objects.create(state="paid", issued=timezone.now(), touched=timezone.now())
    Item.objects.create(
        invoice=invoice, course="ETHICS", price="10.00", person_id="M-1", first_name="A", last_name="B", email="a@example.org"
    )  # fmt: skip
    sync_order(invoice.pk, trigger="staff")
    one = Registration.objects.get()
    Registration.objects.update(
        at_elevate=PRESENT,
        status=Status.REGISTERED,
        registration_id="501",
        duplicate_ids="500",
        due_at=None,
        registered_at=timezone.now(),
    )
    boss.post(DUPLICATES, {"chosen": f"{one.pk}:500", "confirm": "yes"})
    made = Registration.objects.exclude(pk=one.pk).get()
    sync_order(invoice.pk, trigger="staff")
    sync_order(invoice.pk, trigger="staff")
    made.refresh_from_db()
    one.refresh_from_db()
    assert (made.status, one.status) == (Status.CANCELLING, Status.REGISTERED)
    assert not ACTS["register_again"].possible(made)
    assert Registration.objects.count() == 2


@pytest.mark.parametrize("text", ["O-5", "77001", "M-5", "ADA5@Example.org", "o'neil", "Ada O'Neil"])
def test_the_search_finds_by_each_thing_that_names_a_registration(row: MakeRow, text: str) -> None:
    row()
    one = row(
        order_ref="O-5", learner_key="M-5", email_key="ada5@example.org", lastname="O'neil", at_elevate=PRESENT,
        registration_id="77001",
    )  # fmt: skip
    assert staff.find(text) == [one.pk]


@pytest.mark.parametrize("text", ["", "  ", "\0", "\0 "])
def test_a_search_for_nothing_finds_nothing(row: MakeRow, text: str) -> None:
    row(lastname="", email_key="")
    assert staff.find(text) == []
