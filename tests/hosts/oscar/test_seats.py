"""Places of an Oscar order that wait for names: whom the buyer names is found among the shop's accounts."""

from __future__ import annotations

import pytest

from elevate_integration.models import Registration
from elevate_integration.seats import Name, is_buyer, name_seats, open_seats
from tests.hosts.oscar import shop

pytestmark = pytest.mark.django_db


def test_a_buyer_of_three_places_names_the_two_others(source, ethics, elevate, deliver):
    ada, ben = shop.member(), shop.member(first_name="Benjamin", email="Ben@example.org")
    client = shop.visitor(ada)
    shop.put_into_basket(client, ethics, 3)
    order = shop.check_out(client)
    ref = str(order.pk)
    assert (is_buyer(ada, ref), is_buyer(ben, ref)) == (True, False)
    first, second = (seat.key for seat in open_seats(ref))
    names = {first: Name("Benny", "S", "ben@example.org"), second: Name("Eve", "S", "eve@example.org")}
    assert name_seats(ref, names, by="").saved == (first, second)
    deliver()
    found = Registration.objects.order_by("seat_key").values_list("status", "firstname", "problems")
    assert list(found) == [
        ("registered", "Ada", ""),
        ("registered", "Benjamin", ""),
        ("held", "Eve", "no_user_id"),
    ]
    assert str(ben.pk) in {held.remote_user_id for held in elevate.live()}
