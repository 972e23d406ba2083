"""`elevate_digest`: one mail of what is new, nothing lost when it fails, nobody named."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from smtplib import SMTPException
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.utils import timezone

from elevate_integration import digest
from elevate_integration.models import DeliveryState, Registration, TrackedOrder, UnmappedSale
from elevate_integration.reconciled import Discrepancy, ReconciledDay
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def office(settings: Any) -> None:
    settings.ELEVATE = {
        **settings.ELEVATE,
        "DISPATCHER": "worker",
        "DIGEST_RECIPIENTS": ["office@example.org"],
        "ADMIN_URL": "https://ams.example.org/admin",
    }
    state(heartbeat_at=timezone.now())


def state(**fields: Any) -> None:
    DeliveryState.objects.update_or_create(pk=1, defaults=fields)


def run(*args: str) -> str:
    out = StringIO()
    call_command("elevate_digest", *args, stdout=out)
    return out.getvalue()


def aged(row: Registration, **ago: float) -> Registration:
    """Let a row have changed some time ago."""
    Registration.objects.filter(pk=row.pk).update(
        updated_at=timezone.now() - timedelta(**(ago or {"hours": 2}))
    )
    return row


@pytest.fixture
def mapping():
    return make_mapping()


@pytest.fixture
def refused(mapping):
    """Refused two hours ago."""
    said = [["product", "No such\nproduct for ada@example.org."]]
    return aged(make_row(mapping, order_ref="O-1", obstacle="refused", error_messages=said))


def test_nothing_wrong_is_no_mail(mapping):
    make_row(mapping)
    make_row(mapping, at_elevate="present")
    make_row(mapping, at_elevate="maybe", due_at=timezone.now())
    assert run() == "Nothing new.\n"
    assert mail.outbox == []
    assert DeliveryState.objects.get().digest_at is not None


def test_new_differences_are_counted_by_kind_and_unreadable_days_named():
    now = timezone.now()
    before = now - timedelta(days=2)
    state(digest_at=now - timedelta(days=1))
    common = {"site": "https://elevate.example", "state": "unread"}
    day = ReconciledDay.objects.create(
        day=date(2025, 3, 1), read_at=now, message="Report, HTTP 500 for ada@example.org.", **common
    )
    ReconciledDay.objects.create(day=date(2025, 2, 1), read_at=before, **common)
    for number, (kind, seen, decision) in enumerate(
        [
            ("twice", now, "open"),
            ("only_here", now, "open"),
            ("only_here", now, "open"),
            ("amount", before, "open"),
            ("amount", now, "expected"),
        ]
    ):
        Discrepancy.objects.create(
            day=day,
            kind=kind,
            subject=str(number),
            first_seen_at=seen,
            last_seen_at=now,
            decision=decision,
            email="ada@example.org",
        )
    run()
    body = mail.outbox[0].body
    assert "Differences with Elevate's report (3)\n- 2 x here and not there\n- 1 x twice there\n" in body
    assert "https://ams.example.org/admin/elevate_integration/discrepancy/" in body
    assert "- 2025-03-01: Report, HTTP 500 for …@…\n" in body
    assert "2025-02-01" not in body
    assert "ada@" not in body


def test_one_mail_tells_everything_with_links(mapping, refused):
    aged(make_row(mapping, order_ref="O-1", obstacle="refused", error_messages=refused.error_messages))
    for fields in (
        {"at_elevate": "maybe", "obstacle": "doubt"},
        {"at_elevate": "present", "wanted": False, "obstacle": "cancel_refused"},
        {"at_elevate": "present", "wanted": False, "obstacle": "parked"},
        {"obstacle": "incomplete", "problems": "no_email"},
    ):
        make_row(mapping, **fields)
    UnmappedSale.objects.create(order_ref="O-2", seat_key="1", product_keys="\nart\n", product_title="Art")
    TrackedOrder.objects.create(
        order_ref="O-3", last_error="KeyError: Ada Sample", failures=1, failed_at=timezone.now()
    )
    assert "Sent to 1: Elevate: 8 new things need a person." in run()
    (sent,) = mail.outbox
    assert sent.to == ["office@example.org"]
    for words in (
        "Elevate refused the registration (2)",
        "- 2 x Ethics: product: No such product for …@…\n",
        "order lines O-1 (item:1), O-1 (item:1)",
        "Elevate refused to cancel (1)",
        "The answer was lost: Elevate may or may not have it (1)",
        "Cancellations held back by the brake (1)",
        "The learner has no e-mail address.",
        "- 1 x Art",
        "- O-3: KeyError\n",
        "wait for a person in all: 6.",
        "https://ams.example.org/admin/elevate_integration/registration/?status=refused&trouble=yes\n",
        "/elevate_integration/registration/?trouble=parked\n",
        "/elevate_integration/unmappedsale/\n",
        "/elevate_integration/trackedorder/?failed=yes\n",
    ):
        assert words in sent.body
    for person in ("Ada", "Sample", "ada", "example.org>"):
        assert person not in sent.body.replace("ams.example.org", "")


def test_the_links_the_mail_gives_are_pages_of_the_admin(client, django_user_model, refused):
    client.force_login(django_user_model.objects.create_superuser("boss@example.org", "secret"))
    run()
    links = [line.strip() for line in mail.outbox[0].body.splitlines() if line.startswith("  https://")]
    assert len(links) == 2
    for link in links:
        assert client.get(link.removeprefix("https://ams.example.org")).status_code == 200


def test_without_an_address_of_the_admin_there_are_no_links(settings, refused):
    settings.ELEVATE = {**settings.ELEVATE, "ADMIN_URL": ""}
    run()
    assert "http" not in mail.outbox[0].body


def test_only_what_is_new_since_the_last_one_is_told(mapping, refused):
    state(digest_at=timezone.now() - timedelta(hours=1))
    assert run() == "Nothing new.\n"
    make_row(mapping, order_ref="O-9", obstacle="refused")
    run()
    assert "O-9" in mail.outbox[0].body
    assert "O-1 " not in mail.outbox[0].body


def test_what_was_told_is_not_told_again(refused):
    run()
    assert run() == "Nothing new.\n"
    assert len(mail.outbox) == 1


def test_what_was_written_just_before_the_last_one_is_told_again_rather_than_never(mapping):
    aged(make_row(mapping, obstacle="refused"), seconds=30)
    state(digest_at=timezone.now())
    run()
    assert len(mail.outbox) == 1


def test_a_mail_that_fails_loses_nothing(refused, monkeypatch):
    def fail(self: EmailBackend, messages: Any) -> int:
        raise SMTPException("no mail today")

    with monkeypatch.context() as server:
        server.setattr(EmailBackend, "send_messages", fail)
        with pytest.raises(CommandError, match="nothing is lost"):
            run()
    assert DeliveryState.objects.get().digest_at is None
    run()
    assert "O-1" in mail.outbox[0].body


def test_a_dry_run_prints_sends_nothing_and_remembers_nothing(refused):
    told = run("--dry-run")
    assert "To: office@example.org\nSubject: Elevate: 1 new thing needs a person\n" in told
    assert "O-1" in told
    assert mail.outbox == []
    assert DeliveryState.objects.get().digest_at is None


def test_a_dry_run_says_when_there_is_nothing():
    assert run("--dry-run") == "Nothing new; no mail would be sent.\n"


@pytest.mark.parametrize("managers", [[("Ann", "ann@example.org")], ["ann@example.org"]])
def test_managers_get_it_when_nobody_else_is_named(settings, refused, managers):
    settings.ELEVATE = {**settings.ELEVATE, "DIGEST_RECIPIENTS": []}
    settings.MANAGERS = managers
    run()
    assert mail.outbox[0].to == ["ann@example.org"]


def test_without_anybody_it_fails_and_remembers_nothing(settings, refused):
    settings.ELEVATE = {**settings.ELEVATE, "DIGEST_RECIPIENTS": []}
    settings.MANAGERS = []
    with pytest.raises(CommandError, match="DIGEST_RECIPIENTS"):
        run()
    assert DeliveryState.objects.get().digest_at is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paused": True, "paused_by": "office"}, "Delivery is paused, by office since"),
        ({"gate": "unreachable", "gate_message": "time-out"}, "Elevate cannot be reached. time-out"),
        ({"gate": "key"}, "Elevate refuses the API key"),
        ({"heartbeat_at": None}, "the last sign of life was never"),
        ({"alarm": "Too many\ncancels"}, "Alarm: Too many cancels"),
    ],
)
def test_a_delivery_that_stands_still_is_told_in_every_digest(fields, words):
    state(**fields)
    for number in (1, 2):
        run()
        assert len(mail.outbox) == number
        assert words in mail.outbox[-1].body
        assert mail.outbox[-1].subject == "Elevate: delivery stands still"


def test_a_row_that_has_been_due_for_long_is_told(mapping):
    make_row(mapping, due_at=timezone.now() - timedelta(minutes=30))
    assert run() == "Nothing new.\n"
    make_row(mapping, due_at=timezone.now() - timedelta(hours=2))
    run()
    assert "A registration has been due since" in mail.outbox[0].body


def test_long_lists_are_cut_and_counted(mapping):
    for number in range(25):
        make_row(mapping, obstacle="refused", error_messages=[["", f"Reason {number}"]])
        UnmappedSale.objects.create(order_ref=str(number), seat_key="1", product_keys=f"\n{number}\n")
    for _ in range(12):
        make_row(mapping, obstacle="incomplete", problems="no_name")
    run()
    body = mail.outbox[0].body
    assert body.count("Reason ") == 20
    assert body.count("- and 5 more") == 2
    assert " and 2 more" in body


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nBcc: x", "a Bcc: x"),
        ("to <ada.l+x@example.org>, now", "to <…@…>, now"),
        ("x" * 400, "x" * 300 + "…"),
        ("at 5 @ noon", "at 5 @ noon"),
    ],
)
def test_foreign_text_becomes_one_harmless_line(text, line):
    assert digest.one_line(text) == line


def test_an_empty_digest_is_false():
    assert not digest.Digest()
    assert digest.Digest(stopped=["x"])
