"""The differences with Elevate's report: the list, one explained, and the decisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from elevate_integration.admin.difference_words import FALSE_ALARMS, KINDS, VERDICTS
from elevate_integration.models import ProductMapping, Registration
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from elevate_integration.staff import comparing

LIST = "/admin/elevate_integration/discrepancy/"
LogIn = Callable[..., Client]
Row = Callable[..., Registration]
Kind = Discrepancy.Kind


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", str(response.content.decode()))


@pytest.fixture
def day() -> ReconciledDay:
    """A day that was read."""
    return ReconciledDay.objects.create(
        site="https://elevate.example", day=date(2025, 3, 1), state="read", whole=True, read_at=timezone.now()
    )


@pytest.fixture
def differs(day: ReconciledDay) -> Callable[..., Discrepancy]:
    """Make a difference of any kind."""

    def make(kind: str = Kind.ONLY_THERE, **fields: Any) -> Discrepancy:
        now = timezone.now()
        number = Discrepancy.objects.count()
        start = {
            "day": day,
            "kind": kind,
            "subject": f"x:{number}",
            "first_seen_at": now,
            "last_seen_at": now,
        }
        return Discrepancy.objects.create(**{**start, **fields})

    return make


Differs = Callable[..., Discrepancy]


def listed(client: Client, query: str = "") -> list[int]:
    return [row.pk for row in client.get(f"{LIST}{query}").context["cl"].result_list]


def decide(client: Client, name: str, *rows: Discrepancy, **more: str) -> Any:
    pks = ",".join(str(row.pk) for row in rows)
    return client.post(f"{LIST}decide/{name}/", {"pks": pks, **more}, follow=True)


# The list.


def test_the_page_bears_the_name_by_which_the_index_leads_to_it(boss: Client) -> None:
    assert f'<a href="{LIST}">Differences with Elevate</a>' in text_of(boss.get("/admin/"))
    assert "Select difference with Elevate" in text_of(boss.get(LIST))


def test_what_waits_is_listed_and_the_rest_on_request(boss: Client, differs: Differs) -> None:
    waits = differs()
    right, mended = differs(decision="expected"), differs(decision="mended")
    gone = differs(decision="expected", closed_at=timezone.now())
    assert listed(boss) == [waits.pk]
    assert listed(boss, "?decision=expected") == [right.pk]
    assert listed(boss, "?decision=mended") == [mended.pk]
    assert listed(boss, "?decision=closed") == [gone.pk]
    assert listed(boss, "?decision=all") == [gone.pk, mended.pk, right.pk, waits.pk]
    assert "waits for a decision" in text_of(boss.get(LIST))


def test_the_list_is_filtered_by_kind_product_and_day(
    boss: Client, differs: Differs, row: Row, mapping: ProductMapping, day: ReconciledDay
) -> None:
    other_day = ReconciledDay.objects.create(
        site=day.site, day=date(2025, 3, 2), state="read", read_at=timezone.now()
    )
    ours = differs(Kind.ONLY_HERE, registration=row())
    theirs = differs(remote_product_id="ABCD1234")
    elsewhere = differs(remote_product_id="WXYZ", day=other_day)
    assert listed(boss, "?kind=only_here") == [ours.pk]
    assert listed(boss, f"?mapping={mapping.pk}") == [theirs.pk, ours.pk]
    assert listed(boss, f"?day={other_day.pk}") == [elsewhere.pk]
    assert len(listed(boss, "?mapping=999999")) == 3


def test_the_list_is_searched_by_person_order_and_id(boss: Client, differs: Differs, row: Row) -> None:
    ours = row(at_elevate="present", email="ada@example.org", email_key="ada@example.org")
    here = differs(Kind.ONLY_HERE, registration=ours)
    there = differs(report_id="777", email="eve@example.org", remote_user_id="M-2002")
    for term in (ours.order_ref, ours.email, ours.registration_id):
        assert listed(boss, f"?q={term}") == [here.pk], term
    for term in ("777", "EVE@example.org", "M-2002"):
        assert listed(boss, f"?q={term}") == [there.pk], term
    assert listed(boss, "?q=nobody") == []


def test_the_list_says_what_differs_and_about_whom(boss: Client, differs: Differs, row: Row) -> None:
    ours = row(product_title="Ethics")
    differs(Kind.AMOUNT, registration=ours, amount_here=Decimal("25.50"), amount_there=Decimal(20))
    differs(Kind.TWICE, registration=ours, count_here=1, count_there=2)
    differs(email="eve@example.org", product_title="<script>alert(1)</script>", amount_there=Decimal(5))
    differs(remote_user_id="M-2002", remote_product_id="WXYZ")
    differs()
    page = text_of(boss.get(LIST))
    assert "25.50 here, 20.00 at Elevate" in page
    assert "1 here, 2 at Elevate" in page
    assert '<span class="help">5.00 at Elevate</span>' in page
    assert "eve@example.org" in page
    assert "M-2002" in page
    assert "nobody named" in page
    assert "<script>alert" not in page


def test_a_long_list_costs_the_same_number_of_queries(
    boss: Client, differs: Differs, row: Row, django_assert_max_num_queries: Any
) -> None:
    for _ in range(60):
        differs(Kind.ONLY_HERE, registration=row())
    with django_assert_max_num_queries(12):
        assert len(listed(boss)) == 50


def test_the_page_explains_kinds_and_false_alarms(boss: Client) -> None:
    page = text_of(boss.get(LIST))
    for text in ("Cold Storage", "merged two users", "by hand, by a mass import", "near midnight"):
        assert text in page
    assert "here and not there" in page.lower()


def test_every_kind_and_decision_has_words() -> None:
    assert set(KINDS) == set(Kind.values)
    assert set(VERDICTS) == set(Discrepancy.Decision.values)
    assert {name for one in KINDS.values() for name in one.alarms} == set(FALSE_ALARMS)


# One difference.


@pytest.mark.parametrize("kind", Kind.values)
def test_one_difference_is_explained_with_its_mend(
    boss: Client, differs: Differs, row: Row, kind: str
) -> None:
    ours = row(at_elevate="present", product_url="https://elevate.example/products/7")
    one = differs(kind, registration=None if kind == Kind.ONLY_THERE else ours, remote_product_id="ABCD1234")
    response = boss.get(f"{LIST}{one.pk}/change/")
    page = text_of(response)
    assert response.context["explained"] is KINDS[kind]
    assert "What you can do:" in page
    assert 'href="https://elevate.example/products/7"' in page
    leads = f"/admin/elevate_integration/registration/{ours.pk}/change/" in page
    assert leads is (kind != Kind.ONLY_THERE)
    assert page.count("decide/") == 2


def test_a_products_page_that_could_run_a_script_is_no_link(boss: Client, differs: Differs, row: Row) -> None:
    one = differs(Kind.ONLY_HERE, registration=row(product_url="javascript:alert(1)"))
    assert 'href="javascript' not in text_of(boss.get(f"{LIST}{one.pk}/change/"))


def test_what_was_decided_is_told_with_its_note(boss: Client, differs: Differs) -> None:
    one = differs(decision="expected", decided_by="ada", decided_at=timezone.now(), note="<b>Merged</b>")
    page = text_of(boss.get(f"{LIST}{one.pk}/change/"))
    assert "Right as it is (ada," in page
    assert "&lt;b&gt;Merged&lt;/b&gt;" in page
    assert "Open again" in page


def test_what_is_no_longer_true_offers_no_decision(boss: Client, differs: Differs) -> None:
    one = differs(closed_at=timezone.now())
    page = text_of(boss.get(f"{LIST}{one.pk}/change/"))
    assert "No longer true since" in page
    assert "decide/" not in page


def test_a_registration_leads_to_what_the_report_says_otherwise(
    boss: Client, staff_client: LogIn, differs: Differs, row: Row
) -> None:
    ours = row(at_elevate="present")
    one = differs(Kind.ONLY_HERE, registration=ours)
    settled = differs(Kind.TWICE, registration=ours, decision="expected")
    where = f"/admin/elevate_integration/registration/{ours.pk}/change/"
    page = text_of(boss.get(where))
    assert f'href="{LIST}{one.pk}/change/"' in page
    assert f"{LIST}{settled.pk}/" not in page
    assert LIST not in text_of(staff_client("view_registration").get(where))


# Decisions.


@pytest.mark.parametrize("name", ["expected", "mended"])
def test_a_decision_asks_first_and_is_recorded(boss: Client, differs: Differs, name: str) -> None:
    one, other = differs(), differs()
    page = text_of(decide(boss, name, one, other))
    assert "2 differences were chosen." in page
    assert Discrepancy.objects.waiting().count() == 2
    page = text_of(decide(boss, name, one, other, confirm="yes", note=" Merged in May. "))
    assert f"{VERDICTS[name].label}: 2 differences." in page
    one.refresh_from_db()
    assert (one.decision, one.note, one.decided_by) == (name, "Merged in May.", "boss@example.org")
    assert one.decided_at is not None
    assert {entry.get_edited_object() for entry in LogEntry.objects.all()} == {one, other}
    assert "Merged" not in "".join(LogEntry.objects.values_list("change_message", flat=True))


def test_a_decision_is_taken_back_and_keeps_its_note(boss: Client, differs: Differs) -> None:
    one = differs(decision="mended", decided_by="ada", decided_at=timezone.now(), note="Cancelled there.")
    decide(boss, "open", one, confirm="yes", note="")
    one.refresh_from_db()
    assert (one.decision, one.note, one.decided_by, one.decided_at) == ("open", "Cancelled there.", "", None)


def test_a_decision_from_the_detail_page_leads_back_to_it_with_the_note_to_edit(
    boss: Client, differs: Differs
) -> None:
    one = differs(note="Look again.")
    assert "Look again.</textarea>" in text_of(decide(boss, "expected", one, detail="yes"))
    response = decide(boss, "expected", one, detail="yes", confirm="yes", note="Fine.")
    assert response.redirect_chain[-1][0].startswith(f"{LIST}{one.pk}/change/")


def test_what_cannot_be_decided_is_left_and_told(boss: Client, differs: Differs) -> None:
    closed, done = differs(closed_at=timezone.now()), differs(decision="expected", note="So.")
    page = text_of(decide(boss, "expected", closed, done, confirm="yes"))
    assert "1 left as it was: it is no longer true." in page
    assert "1 left as it was: it was decided so already." in page
    assert not LogEntry.objects.exists()


def test_a_note_that_is_too_long_is_asked_for_again(boss: Client, differs: Differs) -> None:
    one = differs()
    page = text_of(decide(boss, "expected", one, confirm="yes", note="x" * 1001))
    assert "at most 1000 characters" in page
    assert Discrepancy.objects.waiting().exists()


def test_the_menu_of_the_list_leads_to_the_question_and_nothing_is_decided(
    boss: Client, differs: Differs
) -> None:
    one = differs()
    data = {"action": "expected", "_selected_action": [one.pk], "confirm": "yes"}
    assert "1 difference was chosen." in text_of(boss.post(LIST, data))
    assert Discrepancy.objects.waiting().exists()


def test_odd_requests(boss: Client, differs: Differs) -> None:
    one = differs()
    assert boss.get(f"{LIST}decide/expected/").status_code == 405
    assert decide(boss, "explode", one, confirm="yes").status_code == 404
    assert boss.post(f"{LIST}decide/expected/", {"pks": "1 or 1"}).status_code == 400
    assert "Nothing was chosen" in text_of(
        boss.post(f"{LIST}decide/expected/", {"pks": "999999", "confirm": "yes"}, follow=True)
    )
    assert boss.get(f"{LIST}999999/change/").status_code == 302
    for path in ("add/", f"{one.pk}/delete/"):
        assert boss.get(f"{LIST}{path}").status_code == 403


# Who may do what.


@pytest.mark.parametrize("name", list(VERDICTS))
def test_a_forged_post_is_refused(staff_client: LogIn, differs: Differs, name: str) -> None:
    one = differs(decision="mended" if name == "open" else "open")
    client = staff_client("view_discrepancy", "compare_day", "cancel_registration")
    assert decide(client, name, one, confirm="yes").status_code == 403
    assert Discrepancy.objects.get().decision == one.decision


def test_a_viewer_sees_no_button(staff_client: LogIn, differs: Differs, row: Row) -> None:
    one = differs(Kind.ONLY_HERE, registration=row())
    client = staff_client("view_discrepancy")
    assert 'name="action"' not in text_of(client.get(LIST))
    page = text_of(client.get(f"{LIST}{one.pk}/change/"))
    assert "decide/" not in page
    assert "registration/" not in page
    assert "reconciledday/" not in text_of(client.get(LIST))


def test_whoever_may_decide_sees_them(staff_client: LogIn, differs: Differs) -> None:
    one = differs()
    client = staff_client("decide_discrepancy")
    assert listed(client) == [one.pk]
    assert decide(client, "expected", one, confirm="yes").status_code == 200
    assert not Discrepancy.objects.waiting().exists()


def test_others_see_nothing(staff_client: LogIn, differs: Differs) -> None:
    one = differs()
    client = staff_client("view_registration", "view_reconciledday")
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}{one.pk}/change/").status_code == 403


# The function behind it.


def test_an_unknown_decision_is_an_error(differs: Differs) -> None:
    with pytest.raises(ValueError, match="explode"):
        comparing.decide([differs().pk], "explode", actor="ada")


def test_a_difference_that_is_gone_is_told(db: None) -> None:
    acted = comparing.decide([999_999], "expected", actor="ada")
    assert [str(reason) for _, reason in acted.left] == ["there is no such difference"]
