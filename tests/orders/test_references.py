"""Which texts name an order that is known by its primary key."""

from __future__ import annotations

from uuid import uuid4

from elevate_integration.orders.references import keys_of_refs
from example_project.members.models import Member
from tests.plainshop.models import Invoice


def test_a_reference_is_a_key_written_in_the_one_way_it_can_be():
    strange = ["", "no", "007", " 7", "7.0", "٣", "1\x00", "9" * 30, "9" * 5000, str(2**63)]
    assert keys_of_refs(Invoice, ["7", *strange, "12", str(2**63 - 1)]) == [7, 12, 2**63 - 1]


def test_a_key_that_is_no_number_has_one_spelling_too():
    key = uuid4()
    assert keys_of_refs(Member, [str(key), str(key).upper(), key.hex, "7"]) == [key]
