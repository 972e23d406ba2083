"""The ELEVATE setting: every conversion, every refusal, and that it follows the settings of a test."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from elevate_integration.conf import KEYS, Conf, conf, in_host_zone, order_source, parse
from elevate_integration.elevate.reports import ReportFields
from tests.plainshop.source import PlainSource


def explain(registration: Any) -> str:
    return "because"


def test_nothing_set_gives_the_defaults():
    assert parse({}) == Conf()


def test_every_key_has_a_help_text():
    assert all(entry.metadata["help"].endswith(".") for entry in KEYS.values())


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("URL", " https://learn.example.org/ ", "https://learn.example.org"),
        ("URL", "learn.example.org", "https://learn.example.org"),
        ("URL", None, ""),
        ("API_KEY", " a-key\n", "a-key"),
        ("API_KEY", None, ""),
        ("ORDER_SOURCE", "shop.Source", "shop.Source"),
        ("READ_TIMEOUT", 5, 5.0),
        ("READ_TIMEOUT", 0, 0.0),
        ("THREADS", 0, 1),
        ("THREADS", 3, 3),
        ("CANCELS_PER_HOUR", 0, 0),
        ("SEND_EMAIL", True, True),
        ("SAFE_STATUSES", [500, 503], frozenset({500, 503})),
        ("KEY_FIELDS", ["api_key", "token"], frozenset({"api_key", "token"})),
        ("UNCONFIRMED", "hold", "hold"),
        ("CA_BUNDLE", "", None),
        ("CA_BUNDLE", "/etc/ca.pem", "/etc/ca.pem"),
        ("REMOTE_USER_ID", "member_number", "member_number"),
        ("REMOTE_USER_ID", explain, explain),
        ("PAYLOAD", "tests.test_conf.explain", explain),
        ("PAYLOAD", explain, explain),
        ("PAYLOAD", "", None),
        ("CANCELLATIONS_EMAIL", "office@example.org", "office@example.org"),
        ("CANCELLATION_EXPLANATION", explain, explain),
        ("NOTIFY_CANCELLED_USER", True, True),
        ("NOTIFY_CANCELLED_USER", explain, explain),
        ("REPORT_KEY", " another ", "another"),
        ("REPORT_PAUSE", 0, 0.0),
        ("REPORT_FIELDS", {"price": ""}, ReportFields(price="")),
        ("REPORT_FIELDS", {"user_id": " user.remote_id "}, ReportFields(user_id="user.remote_id")),
        ("REPORT_FIELDS", None, ReportFields()),
        ("GO_LIVE", "", None),
        ("GO_LIVE", None, None),
    ],
)
def test_a_value_is_converted(key, given, kept):
    assert getattr(parse({key: given}), key.lower()) == kept


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("URL", 5),
        ("API_KEY", b"bytes"),
        ("READ_TIMEOUT", "60"),
        ("READ_TIMEOUT", True),
        ("READ_TIMEOUT", -1),
        ("READ_TIMEOUT", float("nan")),
        ("LEASE", float("inf")),
        ("THREADS", 2.5),
        ("THREADS", True),
        ("CANCELS_PER_HOUR", -1),
        ("SEND_EMAIL", "false"),
        ("SEND_EMAIL", 1),
        ("SAFE_STATUSES", "500"),
        ("SAFE_STATUSES", ["500"]),
        ("SAFE_STATUSES", 500),
        ("KEY_FIELDS", "api_key"),
        ("UNCONFIRMED", "retry"),
        ("REMOTE_USER_ID", 5),
        ("PAYLOAD", "nowhere.payload"),
        ("PAYLOAD", 5),
        ("CANCELLATIONS_EMAIL", 5),
        ("NOTIFY_CANCELLED_USER", "false"),
        ("REPORT_PAUSE", -1),
        ("REPORT_FIELDS", "id"),
        ("REPORT_FIELDS", {"member": "user.member_id"}),
        ("REPORT_FIELDS", {"transaction_at": ""}),
        ("REPORT_FIELDS", {"price": 5}),
        ("GO_LIVE", "soon"),
        ("GO_LIVE", "2026-02-30"),
        ("GO_LIVE", 20260131),
        ("SEAT_LINK_DAYS", 0),
        ("SEAT_LINK_DAYS", 4000),
        ("FORGET_AFTER", 0),
        ("FORGET_AFTER", "30"),
        ("PRUNE_ATTEMPTS_AFTER", -1),
        ("PRUNE_ATTEMPTS_AFTER", 4000),
        ("API_KEY", ["one"]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_key(key, given):
    with pytest.raises(ImproperlyConfigured, match=key):
        parse({key: given})


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("API_KEI", "API_KEY"), ("url", "URL"), ("TIMEOUT", "READ_TIMEOUT"), ("THREAD", "THREADS")],
)
def test_an_unknown_key_is_refused_with_its_nearest_neighbour(unknown, nearest):
    with pytest.raises(ImproperlyConfigured, match=f"{unknown!r}.*Did you mean '.*{nearest.split('_')[-1]}'"):
        parse({unknown: 1})


def test_an_unknown_key_without_neighbour_is_refused_all_the_same():
    with pytest.raises(ImproperlyConfigured, match=r"unknown key 'ZZZ'\.$"):
        parse({"ZZZ": 1})


@pytest.mark.parametrize("raw", [["URL"], "https://learn.example.org", 5])
def test_something_else_than_a_dict_is_refused(raw):
    with pytest.raises(ImproperlyConfigured, match="must be a dict"):
        parse(raw)


def test_a_pasted_path_is_stripped_and_remembered():
    parsed = parse({"URL": "https://learn.example.org/products/1?a=b"})
    assert (parsed.url, parsed.url_stripped) == ("https://learn.example.org", "/products/1")


@pytest.mark.parametrize("name", ["API_KEY", "REPORT_KEY"])
def test_the_key_is_not_in_the_repr(name):
    assert "a-secret" not in repr(parse({name: "a-secret"}))


@pytest.mark.parametrize(("value", "repeats"), [("repeat_once", True), ("hold", False)])
def test_unconfirmed_says_whether_to_repeat(value, repeats):
    assert parse({"UNCONFIRMED": value}).repeat_once is repeats


NAIVE = datetime(2026, 1, 31)  # noqa: DTZ001 - what a host without time zones writes
MOMENTS = [
    "2026-01-31",
    "2026-01-31T00:00",
    date(2026, 1, 31),
    NAIVE,
    datetime(2026, 1, 31, 6, tzinfo=UTC),
    "2026-01-31T06:00Z",
]


@pytest.mark.parametrize("given", MOMENTS)
@override_settings(USE_TZ=True, TIME_ZONE="America/Chicago")
def test_go_live_is_aware_where_the_host_uses_time_zones(given):
    go_live = parse({"GO_LIVE": given}).go_live
    assert go_live == datetime(2026, 1, 31, tzinfo=ZoneInfo("America/Chicago"))


@pytest.mark.parametrize("given", MOMENTS)
@override_settings(USE_TZ=False, TIME_ZONE="America/Chicago")
def test_go_live_is_naive_in_the_hosts_zone_otherwise(given):
    assert parse({"GO_LIVE": given}).go_live == NAIVE


@override_settings(USE_TZ=True)
def test_an_aware_moment_stays_the_same_moment():
    moment = datetime(2026, 1, 31, 12, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert in_host_zone(moment) == moment


def test_settings_are_read_again_when_a_test_changes_them(settings):
    settings.ELEVATE = {"THREADS": 3}
    assert conf().threads == 3
    with override_settings(ELEVATE={"THREADS": 5}):
        assert conf().threads == 5
    assert conf().threads == 3


def test_go_live_follows_the_hosts_time_zone(settings):
    settings.ELEVATE = {"GO_LIVE": "2026-01-31"}
    settings.USE_TZ = False
    assert conf().go_live == NAIVE
    settings.USE_TZ = True
    assert conf().go_live is not None
    assert conf().go_live.tzinfo is not None


def test_settings_are_parsed_once(settings):
    settings.ELEVATE = {"THREADS": 3}
    assert conf() is conf()


def test_the_order_source_is_made_once(settings):
    settings.ELEVATE = {"ORDER_SOURCE": "tests.plainshop.source.PlainSource"}
    assert isinstance(order_source(), PlainSource)
    assert order_source() is order_source()


@pytest.mark.parametrize("path", ["", "nowhere.Source", "elevate_integration.orders.source.OrderSource"])
def test_an_order_source_that_cannot_be_made_is_named(settings, path):
    settings.ELEVATE = {"ORDER_SOURCE": path}
    with pytest.raises(ImproperlyConfigured, match="ORDER_SOURCE.*" + path):
        order_source()
