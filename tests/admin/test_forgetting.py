"""The page on which a member is forgotten on request: what it says, what it does, and that it names nobody after."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from elevate_integration.lifecycle import AtElevate
from elevate_integration.models import Registration
from elevate_integration.stand_in import stand_in
from tests.forgetting.conftest import EMAIL, MEMBER, traces

BASE = "/admin/elevate_integration/registration"
WHO = {
    "learner_key": MEMBER,
    "remote_user_id": MEMBER,
    "firstname": "Zebulon",
    "lastname": "Quint",
    "email": EMAIL,
    "email_key": EMAIL.casefold(),
}


@pytest.fixture
def member(row):
    """A registration of the member's that is finished."""
    return row(at_elevate=AtElevate.PRESENT, **WHO)


@pytest.fixture
def clerk(staff_client):
    """Somebody who may see registrations and forget members."""
    return staff_client("view_registration", "forget_member")


def forget_page(row: Registration) -> str:
    return f"{BASE}/forget/{row.pk}/"


def test_the_registration_leads_to_the_page_only_for_who_may_forget(member, staff_client, clerk):
    assert forget_page(member) in clerk.get(f"{BASE}/{member.pk}/change/").content.decode()


def test_who_may_not_forget_sees_no_way_to_it(member, staff_client):
    client = staff_client("view_registration", "cancel_registration", "retry_registration")
    assert forget_page(member) not in client.get(f"{BASE}/{member.pk}/change/").content.decode()
    assert client.get(forget_page(member)).status_code == 403
    assert client.post(forget_page(member), {"confirm": "yes"}).status_code == 403
    assert traces()


def test_who_may_not_see_registrations_may_not_forget(member, staff_client):
    client = staff_client("forget_member")
    assert client.get(forget_page(member)).status_code == 403
    assert client.post(forget_page(member), {"confirm": "yes"}).status_code == 403
    assert traces()


def test_the_page_says_what_would_happen_and_does_nothing(member, row, clerk):
    row(remote_product_id="LAW5678", **WHO)
    before = traces()
    for answer in (clerk.get(forget_page(member)), clerk.post(forget_page(member))):
        shown = answer.content.decode()
        assert answer.status_code == 200
        assert "Zebulon Quint" in shown
        assert "Forget: 1 registration" in shown
        assert "1: pending" in shown
        assert "Finish it first" in shown
    assert traces() == before
    assert not LogEntry.objects.exists()


def test_a_confirmed_page_forgets_and_the_history_names_nobody(member, row, clerk):
    other = row(at_elevate=AtElevate.PRESENT, **WHO)
    answer = clerk.post(forget_page(member), {"confirm": "yes"}, follow=True)
    shown = answer.content.decode()
    assert "2 registrations were forgotten." in shown
    assert "passed over" not in shown
    assert "Names and addresses were forgotten on" in shown
    assert traces() == []
    entries = LogEntry.objects.order_by("object_id")
    assert {entry.object_id for entry in entries} == {str(member.pk), str(other.pk)}
    assert {entry.get_change_message() for entry in entries} == {"Forgot the member."}
    assert "Forgot the member." in clerk.get(f"{BASE}/{member.pk}/change/").content.decode()


def test_where_everything_is_at_work_there_is_nothing_to_press(row, clerk):
    one = row(**WHO)
    shown = clerk.get(forget_page(one)).content.decode()
    assert 'value="Forget: 0 registrations" disabled' in shown
    assert "1: pending" in shown


def test_what_is_not_finished_is_said_after_forgetting_too(member, row, clerk):
    row(remote_product_id="LAW5678", **WHO)
    shown = clerk.post(forget_page(member), {"confirm": "yes"}, follow=True).content.decode()
    assert "1 registration was forgotten." in shown
    assert "1 registration is not finished and was passed over." in shown


def test_a_registration_of_nobody_known_leads_nowhere(member, clerk):
    clerk.post(forget_page(member), {"confirm": "yes"})
    assert forget_page(member) not in clerk.get(f"{BASE}/{member.pk}/change/").content.decode()
    answer = clerk.post(forget_page(member), {"confirm": "yes"}, follow=True)
    assert "The member was forgotten already." in answer.content.decode()
    assert clerk.get(forget_page(Registration(pk=member.pk + 1))).status_code == 404


def test_an_address_of_several_members_forgets_nobody(member, row, clerk):
    row(at_elevate=AtElevate.PRESENT, **{**WHO, "learner_key": "M-2", "remote_user_id": "M-2"})
    nobody = row(wanted=False, **{**WHO, "learner_key": f"email:{EMAIL.casefold()}", "remote_user_id": ""})
    before = traces()
    answer = clerk.post(forget_page(nobody), {"confirm": "yes"}, follow=True)
    assert "Several members have this address." in answer.content.decode()
    assert traces() == before


def test_the_list_says_since_when_a_learner_is_forgotten(member, row, clerk):
    with_time = row(at_elevate=AtElevate.PRESENT)
    Registration.objects.filter(pk=with_time.pk).update(
        firstname="", lastname="", email="", forgotten_at=with_time.created_at
    )
    clerk.post(forget_page(member), {"confirm": "yes"})
    shown = clerk.get(f"{BASE}/").content.decode()
    assert shown.count("forgotten on") == 2
    assert f"{with_time.remote_user_id}, forgotten on" in shown
    assert "nobody named" not in shown


def test_another_account_on_an_erased_seat_is_told_in_words(member, clerk):
    clerk.post(forget_page(member), {"confirm": "yes"})
    Registration.objects.update(other_user_id=stand_in("M-2"))
    shown = clerk.get(f"{BASE}/{member.pk}/change/").content.decode()
    assert "The order now names another account than the one that was forgotten." in shown
    assert stand_in("M-2") not in shown
    Registration.objects.update(other_user_id="M-900")
    assert "M-900" in clerk.get(f"{BASE}/{member.pk}/change/").content.decode()
