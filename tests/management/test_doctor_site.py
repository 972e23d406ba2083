"""What the doctor says of the way to Elevate, for each thing that can be seen on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from elevate_integration.doctor import Finding, reach, report, site
from elevate_integration.elevate import network
from elevate_integration.elevate.network import Look, Route

SEEN = Look("lms.example", 443, addresses=("192.0.2.1",), answered=("192.0.2.1",))
GOOD = replace(SEEN, protocol="TLSv1.3", issuer="The Test Authority", names=("lms.example",))
DIRECT = Route("https://lms.example", "/etc/authorities.pem")
PROXIED = replace(DIRECT, proxy="http://me:secret@proxy.example:3128")
BESIDE = replace(SEEN, addresses=(), answered=())


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Follow a way on which this was seen; gives the findings by code."""

    def follow(seen: Look, route: Route = DIRECT, status: int = 200) -> dict[str, Finding]:
        client = SimpleNamespace(route=lambda: route, reach=lambda: status)
        monkeypatch.setattr(site, "make_client", lambda: client)
        monkeypatch.setattr(network, "look", lambda route, *, timeout: seen)
        found = list(site.look_at_site())
        assert all(bool(one.mend) == (one.level != "ok") for one in found)
        assert "secret" not in repr(found)
        return {one.code: one for one in found}

    return follow


def levels(found: dict[str, Finding]) -> dict[str, str]:
    return {code.removeprefix("site."): one.level for code, one in found.items()}


def test_a_way_in_order_is_followed_to_the_front_page(way):
    found = way(replace(GOOD, expires=datetime.now(UTC) + timedelta(days=90)))
    assert levels(found) == dict.fromkeys(
        ("name", "connection", "certificate", "certificate_expiry", "answer"), "ok"
    )
    assert "issued by The Test Authority, TLSv1.3" in found["site.certificate"].text


def test_a_certificate_that_names_neither_issuer_nor_end_is_good_all_the_same(way):
    found = way(replace(GOOD, issuer=""))
    assert "an authority without a name" in found["site.certificate"].text
    assert "site.certificate_expiry" not in found


@pytest.mark.parametrize(
    ("problem", "seen", "told"),
    [
        (network.UNKNOWN_NAME, BESIDE, {"name": "error"}),
        (network.UNREACHABLE, replace(SEEN, answered=()), {"name": "ok", "connection": "error"}),
        (network.EXPIRED, SEEN, {"name": "ok", "connection": "ok", "certificate": "error"}),
        (network.NO_TLS, SEEN, {"name": "ok", "connection": "ok", "certificate": "error"}),
    ],
)
def test_the_way_is_followed_as_far_as_it_goes(way, problem, seen, told):
    found = way(replace(seen, problem=problem, detail="as the system says"))
    assert levels(found) == told
    assert "as the system says" in found[f"site.{list(told)[-1]}"].text


def test_a_proxy_that_lets_calls_through_stands_before_the_certificate(way):
    found = way(replace(GOOD, addresses=(), answered=()), PROXIED)
    assert levels(found) == {"proxy": "ok", "certificate": "ok", "answer": "ok"}
    assert "http://proxy.example:3128" in found["site.proxy"].text


@pytest.mark.parametrize(
    ("problem", "level", "text"),
    [
        (network.PROXY, "error", "lets nothing through: 403 Forbidden"),
        (network.PROXY_KIND, "warning", "a kind of proxy that cannot be looked through"),
    ],
)
def test_a_proxy_that_cannot_be_passed_ends_the_way(way, problem, level, text):
    found = way(replace(BESIDE, problem=problem, detail="403 Forbidden"), PROXIED)
    assert levels(found) == {"proxy": level}
    assert text in found["site.proxy"].text


@pytest.mark.parametrize(
    ("status", "level"), [(200, "ok"), (404, "ok"), (500, "warning"), (501, "ok"), (503, "warning")]
)
def test_an_error_of_the_server_is_told_and_one_that_knows_no_head_is_well(way, status, level):
    answer = way(GOOD, status=status)["site.answer"]
    assert (answer.level, answer.data) == (level, {"status": status})


def test_authorities_that_are_not_there_are_told(settings, elevate, tmp_path):
    settings.ELEVATE = {
        **settings.ELEVATE,
        "URL": elevate.url.replace("http:", "https:"),
        "CA_BUNDLE": str(tmp_path / "gone.pem"),
    }
    (finding,) = site.look_at_site()
    assert (finding.code, finding.level) == ("site.address", "error")
    assert "CA_BUNDLE" in finding.mend


def test_a_site_that_is_away_does_not_answer(settings, elevate):
    elevate.stop()
    finding = reach()
    assert (finding.code, finding.level) == ("site.answer", "error")
    assert "does not answer" in finding.text


def test_a_key_that_is_asked_about_at_no_address_is_told(settings, elevate):
    settings.ELEVATE = {**settings.ELEVATE, "URL": "ftp://lms.example"}
    finding = report.ask_with_key()
    assert (finding.code, finding.level) == ("key.report", "error")
    assert "no http(s) address" in finding.text
    assert "way to Elevate" in finding.mend
