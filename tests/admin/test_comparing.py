"""The page of compared days: what it says, the button for one day, the proof of the IDs, and who may do what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from elevate_integration.models import ProductMapping, Registration
from elevate_integration.reconcile import button, lease
from elevate_integration.reconciled import Discrepancy, ReconciledDay, ReportState
from elevate_integration.testing import FakeElevate

LIST = "/admin/elevate_integration/reconciledday/"
SITE = "https://elevate.example"
LogIn = Callable[..., Client]
DAY = date(2025, 3, 1)


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", str(response.content.decode()))


def rows_of(response: Any) -> str:
    return text_of(response).partition('id="result_list"')[2].partition("</table>")[0]


def read_day(day: date = DAY, **fields: Any) -> ReconciledDay:
    start = {"state": "read", "whole": True, "read_at": timezone.now(), "site": SITE}
    return ReconciledDay.objects.create(day=day, **{**start, **fields})


def differs(day: ReconciledDay, number: int, **fields: Any) -> list[Discrepancy]:
    now = timezone.now()
    start = {"day": day, "kind": "only_there", "first_seen_at": now, "last_seen_at": now}
    return [Discrepancy.objects.create(**{**start, "subject": f"line:{n}", **fields}) for n in range(number)]


def compare(client: Client, day: date | str = DAY, **more: str) -> Any:
    return client.post(f"{LIST}compare/", {"day": str(day), **more}, follow=True)


def test_the_page_bears_the_name_by_which_the_index_leads_to_it(boss: Client) -> None:
    assert f'<a href="{LIST}">Days compared with Elevate</a>' in text_of(boss.get("/admin/"))
    assert "<h1>Days compared with Elevate</h1>" in text_of(boss.get(LIST))


def test_a_day_tells_how_it_was_read_and_leads_to_its_open_differences(boss: Client) -> None:
    day = read_day(here=12, there=13, others=3, settled=1)
    differs(day, 2)
    differs(day, 1, kind="amount", decision="expected")
    differs(day, 1, kind="twice", closed_at=timezone.now())
    page = text_of(boss.get(LIST))
    assert "12 here<br>13 at Elevate<br>3 of other products<br>1 lost answer settled" in page
    assert f'<a href="/admin/elevate_integration/discrepancy/?day={day.pk}">2</a>' in page
    assert "could not be read" not in rows_of(boss.get(LIST))


def test_a_day_that_could_not_be_read_says_so_and_never_that_anything_is_missing(boss: Client) -> None:
    read_day(state="unread", whole=False, message="Report, HTTP 500: <b>Elevate failed</b>.")
    page = rows_of(boss.get(LIST))
    assert f'<a href="{LIST}compare/?day=2025-03-01">Compare again…</a>' in page
    assert "could not be read" in page
    assert "&lt;b&gt;Elevate failed&lt;/b&gt;" in page
    assert "Nothing is called missing because of it." in page
    assert "at Elevate<br>" not in page


def test_a_day_without_the_days_beside_it_is_told_apart(boss: Client) -> None:
    read_day(whole=False, message="Nothing is called missing. A day beside it could not be read.")
    page = rows_of(boss.get(LIST))
    assert "without the days beside it" in page
    assert "A day beside it could not be read." in page


@pytest.mark.parametrize(
    ("chosen", "days"), [("unread", [1]), ("part", [2]), ("differs", [3]), ("nonsense", [4, 3, 2, 1])]
)
def test_days_are_filtered_by_how_they_were_read(boss: Client, chosen: str, days: list[int]) -> None:
    read_day(date(2025, 3, 1), state="unread", whole=False)
    read_day(date(2025, 3, 2), whole=False)
    differs(read_day(date(2025, 3, 3)), 1)
    read_day(date(2025, 3, 4))
    shown = boss.get(f"{LIST}?reading={chosen}").context["cl"].result_list
    assert [row.day.day for row in shown] == days


def test_many_days_cost_the_same_number_of_queries(boss: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(100):
        differs(read_day(DAY + timedelta(days=number)), 1)
    with django_assert_max_num_queries(12):
        page = boss.get(LIST)
    assert len(page.context["cl"].result_list) == 62


# The proof.


def test_it_is_said_in_words_what_is_known_of_the_ids(boss: Client) -> None:
    read_day(ids_equal=3)
    page = text_of(boss.get(LIST))
    assert "“The report&#x27;s ID is the registration ID.” is not proved yet: 3 of 5 were seen" in page
    assert "what it has waits for you" in page
    read_day(DAY + timedelta(days=1), ids_equal=4, members_equal=1, members_differ=1)
    ReportState.objects.create(site=SITE, members_doubt="On 2025-03-02 the report gives <another> ID.")
    page = text_of(boss.get(LIST))
    assert "7 were the same, none was another. A registration whose answer was lost gets its" in page
    assert "is in doubt, so it is not relied on. Until then people are recognised by their e-mail" in page
    assert "the report gives &lt;another&gt; ID." in page


def test_the_proof_begins_anew_after_a_question(boss: Client) -> None:
    ReportState.objects.create(site=SITE, ids_doubt="One differs.")
    assert "One differs." in text_of(boss.post(f"{LIST}anew/"))
    assert ReportState.objects.get().ids_doubt == "One differs."
    page = text_of(boss.post(f"{LIST}anew/", {"confirm": "yes"}, follow=True))
    assert "begins anew with the next comparison" in page
    assert ReportState.objects.get().ids_doubt == ""
    assert LogEntry.objects.get().get_edited_object() == ReportState.objects.get()
    assert boss.get(f"{LIST}anew/").status_code == 405


# The button.


@pytest.fixture
def elevate(settings: Any) -> Iterator[FakeElevate]:
    with FakeElevate() as fake:
        settings.ELEVATE = {**settings.ELEVATE, "URL": fake.url, "REPORT_PAUSE": 0}
        yield fake
        button.join()


@pytest.mark.django_db(transaction=True)
def test_a_day_is_compared_in_the_background(boss: Client, elevate: FakeElevate) -> None:
    ProductMapping.objects.create(product_key="ethics", remote_product_id="ABCD1234")
    noon = timezone.now().replace(year=2025, month=3, day=1, hour=12)
    elevate.add_registration("ABCD1234", email="eve@example.org", at=noon)
    assert "Elevate is asked for its report" in text_of(compare(boss))
    assert elevate.calls == []
    assert "is being compared" in text_of(compare(boss, confirm="yes"))
    button.join()
    assert ReconciledDay.objects.get().state == "read"
    assert Discrepancy.objects.get().kind == "only_there"
    assert {path for path, _ in elevate.calls} == {"/api/reports"}
    entry = LogEntry.objects.get()
    assert (entry.get_edited_object(), entry.change_message) == (
        ReportState.objects.get(),
        "Compare 2025-03-01 with Elevate.",
    )
    compare(boss, confirm="yes")
    button.join()
    assert LogEntry.objects.first().get_edited_object() == ReconciledDay.objects.get()


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_one_transaction_begins_after_its_commit(
    boss: Client, elevate: FakeElevate, settings: Any
) -> None:
    from django.db import connection

    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert "is being compared" in text_of(compare(boss, confirm="yes"))
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    button.join()
    assert ReconciledDay.objects.get().state == "read"


@pytest.mark.django_db(transaction=True)
def test_a_report_that_cannot_be_read_is_told_on_the_page(boss: Client, elevate: FakeElevate) -> None:
    elevate.reports.key = "another"
    compare(boss, confirm="yes")
    button.join()
    assert ReconciledDay.objects.get().state == "unread"
    page = text_of(boss.get(LIST))
    assert "could not be read" in page
    assert "Compare REPORT_KEY" in page
    assert not Discrepancy.objects.exists()


def test_while_somebody_compares_nobody_else_begins(boss: Client) -> None:
    held = lease.take(SITE)
    assert held is not None
    assert "A day is being compared now." in text_of(boss.get(LIST))
    assert "Somebody is comparing now. Wait" in text_of(compare(boss))
    assert "was not begun" in text_of(compare(boss, confirm="yes"))
    assert not LogEntry.objects.exists()
    held.release()
    assert "is being compared now" not in text_of(boss.get(LIST))


@pytest.mark.parametrize("day", ["", "tomorrow", "1999-12-31", "9999-01-01"])
def test_a_day_of_which_there_can_be_no_report_is_not_asked_about(boss: Client, day: str) -> None:
    page = text_of(compare(boss, day, confirm="yes"))
    assert "Choose a day" in page or "Enter a valid date" in page or "This field is required" in page
    assert not LogEntry.objects.exists()


def test_a_link_leads_to_the_question_only(boss: Client) -> None:
    page = boss.get(f"{LIST}compare/?day={DAY}&confirm=yes")
    assert "Elevate is asked for its report" in text_of(page)
    assert not ReportState.objects.exists()
    assert boss.put(f"{LIST}compare/?day={DAY}").status_code == 405


def test_without_an_address_of_elevate_there_is_no_button(boss: Client, settings: Any) -> None:
    settings.ELEVATE = {**settings.ELEVATE, "URL": ""}
    assert "Compare this day" not in text_of(boss.get(LIST))


# Who may do what.


def test_a_viewer_sees_the_days_and_no_button(staff_client: LogIn) -> None:
    differs(read_day(here=12, message="Nothing is called missing."), 1)
    client = staff_client("view_reconciledday")
    page = text_of(client.get(LIST))
    assert "12 here" in page
    assert "compare/" not in page
    assert "anew/" not in page
    assert compare(client).status_code == 403
    assert client.post(f"{LIST}anew/", {"confirm": "yes"}).status_code == 403


def test_whoever_may_compare_sees_the_days(staff_client: LogIn) -> None:
    client = staff_client("compare_day")
    assert "Compare this day" in text_of(client.get(LIST))
    assert client.get(f"{LIST}compare/?day={DAY}").status_code == 200


def test_others_see_nothing(staff_client: LogIn) -> None:
    client = staff_client("view_registration", "decide_discrepancy")
    assert client.get(LIST).status_code == 403
    assert client.post(f"{LIST}anew/", {"confirm": "yes"}).status_code == 403
    assert not ReportState.objects.exists()


def test_a_day_has_no_page_of_its_own(boss: Client) -> None:
    day = read_day()
    assert boss.get(f"{LIST}{day.pk}/change/")["Location"] == LIST
    for path in ("add/", f"{day.pk}/delete/"):
        assert boss.get(f"{LIST}{path}").status_code == 403


# The overview.


def test_the_overview_tells_of_open_differences_and_unreadable_days(
    boss: Client, staff_client: LogIn, row: Callable[..., Registration]
) -> None:
    overview = "/admin/elevate_integration/"
    assert (
        "report"
        not in text_of(boss.get(overview)).partition('id="elevate-trouble"')[2].partition("</section>")[0]
    )
    day = read_day(state="unread")
    differs(day, 2)
    page = text_of(boss.get(overview))
    assert "2 differences with Elevate&#x27;s report wait for a decision." in page
    assert "Elevate&#x27;s report of 1 day could not be read. Nothing is called missing" in page
    assert f'href="{LIST}?reading=unread"' in page
    page = text_of(staff_client("view_registration").get(overview))
    assert "wait for a decision" not in page
    assert "could not be read" not in page
