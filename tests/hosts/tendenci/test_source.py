"""What the source says about a Tendenci site, and what it costs the site to be asked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tendenci.apps.events.models import Event, RegConfPricing, Registrant, Registration
from tendenci.apps.invoices.models import Invoice
from tendenci.apps.memberships.models import MembershipDefault, MembershipType
from tendenci.apps.profiles.models import Profile

from elevate_integration.conf import conf
from elevate_integration.models import ProductMapping, UnmappedSale
from elevate_integration.models import Registration as Row
from tests.hosts.tendenci.site import ADA, BEN, put_setting


def queries(act) -> int:
    with CaptureQueriesContext(connection) as seen:
        act()
    return len(seen)


def test_the_ref_of_every_watched_row_costs_no_query(site, source):
    booked = site.book(site.event, ADA)
    site.apply("ben")
    couple = site.apply_together("ada", "ben")
    watches = {watch.sender: watch.order_ref for watch in source.watches()}
    found = {}
    for model in (Invoice, Registration, Registrant, MembershipDefault):
        path = f"{model._meta.app_label}.{model.__name__}"
        fresh = list(model._base_manager.all())
        assert fresh, path
        watches[path](instance=fresh[0])
        with CaptureQueriesContext(connection) as seen:
            found[model] = {watches[path](instance=one) for one in fresh}
        assert len(seen) == 0, path
    assert {f"registration:{booked.pk}"} == found[Registration] == found[Registrant]
    assert found[Invoice] == found[Registration] | found[MembershipDefault]
    assert f"membershipset:{couple.pk}" in found[MembershipDefault]


def test_an_invoice_for_something_else_is_no_order(source, site):
    invoice = Invoice(object_type=None, object_id=0)
    watch = next(watch for watch in source.watches() if watch.sender == "invoices.Invoice")
    assert watch.order_ref(instance=invoice) == ""
    invoice = Invoice(object_type=ContentType.objects.get_for_model(Event), object_id=1)
    assert watch.order_ref(instance=invoice) == ""


def test_many_orders_cost_as_many_queries_as_one(site, source):
    first = site.book(site.event, ADA, BEN)
    more = [site.book(site.free_event, BEN, ("Guest", "G", "g@example.org"), by="ada")]
    more += [site.book(site.free_event, ADA, by="ben")]
    single = [f"registration:{first.pk}", f"registration:{more[0].pk}"]
    source.snapshots(single)
    few = queries(lambda: source.snapshots(single))
    many = queries(lambda: source.snapshots([*single, f"registration:{more[1].pk}"]))
    assert few == many
    assert many <= 4


def test_a_refs_strange_spelling_names_no_order(site, source):
    booked = site.book(site.event, ADA)
    strange = [
        f"registration:0{booked.pk}", f"registration:{booked.pk} ", str(booked.pk), "registration:", "",
        "registration:99999999999", "registration:٣", "event:1", "registration:2147483647",
    ]  # fmt: skip
    assert source.snapshots(strange) == dict.fromkeys(strange)
    assert {source.placed_at(ref) for ref in strange} == {None}
    assert {source.order_url(ref) for ref in strange} == {""}


def test_a_seat_is_named_by_price_event_code_and_course_the_most_specific_first(site, source):
    booked = site.book(site.event, ADA)
    price = RegConfPricing.objects.get(reg_conf=site.event.registration_configuration)
    seat = source.snapshot(f"registration:{booked.pk}").seats[0]
    assert seat.product_keys == (
        f"pricing:{price.pk}",
        f"event:{site.event.pk}",
        "event_code:SPRING",
        "course:ETH-1",
    )
    assert (seat.title, seat.key) == ("Ethics 101", f"registrant:{booked.registrant.pk}")


def test_a_price_may_be_mapped_to_another_course_than_its_event(site, deliver, elevate):
    price = RegConfPricing.objects.get(reg_conf=site.event.registration_configuration)
    ProductMapping.objects.create(product_key=f"pricing:{price.pk}", remote_product_id="LAW5678")
    site.pay(site.book(site.event, ADA).invoice)
    deliver()
    assert [held.remote_product_id for held in elevate.live()] == ["LAW5678"]


def test_a_price_that_is_deleted_leaves_the_event(site, source):
    booked = site.book(site.event, ADA)
    Registrant.objects.update(pricing=None)
    assert source.snapshot(f"registration:{booked.pk}").seats[0].product_keys[0] == f"event:{site.event.pk}"


def test_an_event_that_nobody_mapped_is_listed(site, deliver):
    event = site.make_event("Other Day", price="0.00")
    site.book(event, ADA)
    deliver()
    assert UnmappedSale.objects.open().of_product(f"event:{event.pk}").count() == 1


def test_the_buyer_is_the_invoices_owner(site, source):
    booked = site.book(site.event, BEN, by="ada")
    shot = source.snapshot(f"registration:{booked.pk}")
    assert shot.buyer.remote_user_id == str(User.objects.get(username="ada").pk)
    assert shot.seats[0].learner.remote_user_id == str(User.objects.get(username="ben").pk)


def test_a_log_in_without_a_profile_has_no_member_number_and_is_held(site, deliver, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "profile.member_number"}
    user = User.objects.create_user("bare", "bare@example.org", "x")
    site.book(site.free_event, ("Bare", "User", "bare@example.org"))
    assert not Profile.objects.filter(user=user).exists()
    deliver()
    assert list(Row.objects.values_list("email", "status")) == [("bare@example.org", "held")]


def test_the_sweep_lists_what_changed_since(site, source):
    booked, other = site.book(site.event, ADA), site.book(site.free_event, BEN, by="ben")
    membership = site.apply("ada")
    couple = site.apply_together("ada", "ben")
    refs = {
        f"registration:{booked.pk}", f"registration:{other.pk}", f"membership:{membership.pk}",
        f"membershipset:{couple.pk}",
    }  # fmt: skip
    assert set(source.recent(None)) == set(source.recent(datetime(2020, 1, 1))) == refs  # noqa: DTZ001
    old = datetime(2021, 1, 1)  # noqa: DTZ001
    for model in (Registration, Registrant, MembershipDefault):
        model.objects.update(update_dt=old)
    Invoice.objects.all_invoices().update(update_dt=old)
    since = old + timedelta(days=1)
    assert not list(source.recent(since))
    other.registrant.save()
    assert list(source.recent(since)) == [f"registration:{other.pk}"]
    booked.invoice.refresh_from_db()
    booked.invoice.save()
    assert set(source.recent(since)) == {f"registration:{booked.pk}", f"registration:{other.pk}"}
    couple.memberships().first().save()
    membership.get_invoice().save()
    assert set(source.recent(since)) == refs


def test_the_day_of_an_order_can_be_compared_with_the_day_of_going_live(site, source):
    booked = site.book(site.event, ADA)
    placed = source.placed_at(f"registration:{booked.pk}")
    assert placed.tzinfo is None
    assert placed > conf().go_live


def test_orders_from_before_the_day_of_going_live_are_left_alone(site, deliver, elevate, settings):
    booked = site.book(site.event, ADA)
    settings.ELEVATE = {**settings.ELEVATE, "GO_LIVE": "2999-01-01"}
    site.pay(booked.invoice)
    deliver()
    assert not elevate.calls


def test_the_picker_offers_events_prices_courses_codes_and_memberships(site, source):
    offered = {product.key: product.title for product in source.products()}
    price = RegConfPricing.objects.get(reg_conf=site.event.registration_configuration)
    kind = MembershipType.objects.get()
    assert offered[f"event:{site.event.pk}"].startswith("Ethics 101 (")
    assert offered["course:ETH-1"] == "Ethics"
    assert offered["event_code:SPRING"] == "Ethics 101"
    assert offered[f"pricing:{price.pk}"].endswith("): Standard")
    assert offered[f"membership_type:{kind.pk}"] == "Regular"


@pytest.mark.parametrize("search", ["ethics", "spring", "eth-1", "standard", "Ethics 101"])
def test_the_picker_finds_an_event_by_any_of_its_names_once(site, source, search):
    keys = [product.key for product in source.products(search)]
    assert f"event:{site.event.pk}" in keys
    assert len(keys) == len(set(keys))


def test_the_picker_finds_a_key_and_a_membership_and_keeps_its_limit(site, source):
    key = f"event:{site.event.pk}"
    assert key in [product.key for product in source.products(key)]
    assert [product.title for product in source.products("regul")] == ["Regular"]
    assert len(list(source.products(limit=2))) == 2
    assert not list(source.products("nothing like it"))


def test_a_product_leads_to_the_page_where_it_is_booked(site, source):
    put_setting("site", "global", "siteurl", "https://ams.example.org/")
    page = f"https://ams.example.org/events/register/{site.event.pk}/"
    price = RegConfPricing.objects.get(reg_conf=site.event.registration_configuration)
    kind = MembershipType.objects.get()
    for key in (f"event:{site.event.pk}", "event_code:SPRING", "course:ETH-1"):
        assert source.product_url(key) == page
    assert source.product_url(f"pricing:{price.pk}") == f"{page}?pricing_id={price.pk}"
    assert source.add_to_cart(None, f"event:{site.event.pk}") == page
    assert "join-us" in source.product_url(f"membership_type:{kind.pk}")
    for gone in ("event:999999", "event:x", "course:", "membership_type:999", "sku:1", ""):
        assert source.product_url(gone) == ""
    assert site.client("ada").get(f"/events/register/{site.event.pk}/").status_code == 200


def test_an_event_that_is_over_has_no_page_to_book_it(site, source):
    past = datetime(2021, 1, 1)  # noqa: DTZ001
    Event.objects.filter(pk=site.event.pk).update(start_dt=past, end_dt=past)
    assert source.product_url("course:ETH-1") == ""


def test_an_order_leads_to_its_invoice(site, source):
    booked = site.book(site.event, ADA)
    address = source.order_url(f"registration:{booked.pk}")
    assert address == f"/invoices/{booked.invoice_id}/"
    assert queries(lambda: source.order_url(f"registration:{booked.pk}")) == 1
    assert site.client("office").get(address).status_code == 200
    site.void(booked.invoice)
    assert source.order_url(f"registration:{booked.pk}") == address
    membership = site.apply("ada")
    assert source.order_url(f"membership:{membership.pk}") == f"/invoices/{membership.get_invoice().pk}/"
    couple = site.apply_together("ada", "ben")
    assert source.order_url(f"membershipset:{couple.pk}") == f"/invoices/{couple.invoice_id}/"


def test_a_seat_is_named_as_the_snapshot_names_it(site, source):
    booked = site.book(site.event, ADA, BEN)
    alone, couple = site.apply("ben"), site.apply_together("ada", "ben")
    bought = [
        (f"registration:{booked.pk}", booked.registrant_set.order_by("pk")),
        (f"membership:{alone.pk}", [alone]),
        (
            f"membershipset:{couple.pk}",
            MembershipDefault.objects.filter(membership_set=couple).order_by("pk"),
        ),
    ]
    for ref, lines in bought:
        shown = [seat.key for seat in source.snapshot(ref).seats]
        assert [source.seats_of_line(line) for line in lines] == [(ref, (key,)) for key in shown]


def test_a_log_in_is_a_learner_and_a_visitor_is_not(source):
    ada = User.objects.get(username="ada")
    assert source.learner_for(ada).email == "ada@example.org"
    assert source.learner_for(AnonymousUser()) is None


def test_many_addresses_are_looked_up_with_one_query_also_by_the_member_number(source, settings):
    settings.ELEVATE = {**settings.ELEVATE, "REMOTE_USER_ID": "profile.member_number"}
    people = ["ada@example.org", "ben@example.org"]
    assert set(source.learners_by_email(people)) == set(people)
    assert queries(lambda: source.learners_by_email(people)) == 1


def test_two_log_ins_with_one_address_are_nobodys_in_particular(site, source):
    booked = site.book(site.event, ("Guest", "G", "twin@example.org"))
    for name in ("twin1", "twin2"):
        User.objects.create_user(name, "Twin@example.org", "x")
    assert source.snapshot(f"registration:{booked.pk}").seats[0].learner.remote_user_id == ""


def test_a_site_may_give_its_guests_an_id(site, source, monkeypatch):
    monkeypatch.setattr(type(source), "guest_id", lambda self, registrant: f"guest-{registrant.email}")
    booked = site.book(site.event, ADA, ("Gina", "G", "gina@example.org"))
    seats = source.snapshot(f"registration:{booked.pk}").seats
    ada = User.objects.get(username="ada")
    assert [seat.learner.remote_user_id for seat in seats] == [str(ada.pk), "guest-gina@example.org"]
