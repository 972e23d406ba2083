"""The demonstration's data."""

from __future__ import annotations

from elevate_integration.models import ProductMapping
from example_project.members.models import Member
from example_project.store.catalogue import elevate_products, load_demo
from example_project.store.models import Product


def counts() -> tuple[int, int, int]:
    return Product.objects.count(), Member.objects.count(), ProductMapping.objects.count()


def test_loading_twice_adds_nothing(store: None) -> None:
    before = counts()
    load_demo()
    assert counts() == before == (10, 7, 10)


def test_loading_leaves_what_people_changed(store: None) -> None:
    Product.objects.filter(sku="RB-BND-101").update(price="99.00")
    Member.objects.filter(email="zoe@example.org").update(first_name="Zoé")
    load_demo()
    assert str(Product.objects.get(sku="RB-BND-101").price) == "99.00"
    assert Member.objects.get(email="zoe@example.org").first_name == "Zoé"


def test_the_bundle_is_two_products_at_elevate(store: None) -> None:
    mapped = ProductMapping.objects.filter(product_key="RB-CERT-BL", active=True)
    assert sorted(mapped.values_list("remote_product_id", flat=True)) == ["RB101", "RB140"]


def test_elevates_buttons_lead_to_the_landing_addresses(store: None) -> None:
    addresses = ProductMapping.objects.exclude(remote_product_id="")
    for mapping in addresses:
        landing = f"http://127.0.0.1:8000/elevate/register/{mapping.remote_product_id}/"
        assert mapping.remote_registration_url == landing


def test_the_book_is_not_for_elevate(store: None) -> None:
    assert ProductMapping.objects.get(product_key="RB-BOOK-07").not_for_elevate


def test_elevate_does_not_know_one_of_the_mapped_courses(store: None) -> None:
    mapped = ProductMapping.objects.exclude(remote_product_id="").values_list("remote_product_id", flat=True)
    assert set(mapped) - elevate_products().keys() == {"RB-300"}


def test_one_course_is_not_mapped_yet(store: None) -> None:
    assert not ProductMapping.objects.filter(product_key="RB-LIDAR-220").exists()


def test_members_log_in_and_the_office_may_do_everything(store: None) -> None:
    assert Member.objects.get(email="layla@example.org").check_password("demo")
    staff = Member.objects.get(email="staff@example.org")
    assert staff.is_staff
    assert staff.is_superuser


def test_a_member_without_a_number_gets_one_that_stays(db: None) -> None:
    member = Member.objects.create_user("New.Person@Example.org", "demo")
    number = member.member_number
    assert number.startswith("RB-")
    member.first_name = "New"
    member.save()
    member.refresh_from_db()
    assert (member.member_number, member.email) == (number, "new.person@example.org")
    assert Member.objects.get_by_natural_key("NEW.person@example.org") == member
