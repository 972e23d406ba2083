"""The command, as a process of its own, called by other clients than ours."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from elevate_integration.testing import __main__ as program
from tests.testing.conftest import CANCEL, KEY, REGISTER, cancellation, registration

COMMAND = [sys.executable, "-m", "elevate_integration.testing"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[str, list[str]]]:
    """The address it prints and the lines it printed; ends it as Ctrl-C would, and it must end well."""
    process = subprocess.Popen([*COMMAND, "--api-key", KEY, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            lines = [process.stdout.readline() for _ in range(2 if "--tls" in arguments else 1)]
            found = re.search(r"https?://\S+", lines[0])
            assert found, lines
            yield found[0], lines
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0


def curl(url: str, fields: dict[str, Any] | None = None, *options: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("needs curl on the machine")
    body = ["-H", "Content-Type: application/json", "-d", json.dumps(fields)] if fields is not None else []
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "20", *body, *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_who_ends_it_as_soon_as_it_tells_its_address_ends_it_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "_announce", lambda fake: signal.raise_signal(signal.SIGINT))
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert program.main([]) == 0
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def test_curl_registers_cancels_and_sees_both() -> None:
    with running("--product", "ABCD1234=Ethics", "--product", "WXYZ") as (url, _):
        answer = json.loads(curl(url + REGISTER, registration(remote_product_id="WXYZ")))
        curl(url + CANCEL, cancellation(answer["registration_id"]))
        (held,) = json.loads(curl(url + "/_fake/registrations"))["registrations"]

    assert answer["product_url"] == f"{url}/products/WXYZ?force_login=1"
    assert held["cancelled"] is True
    assert KEY not in json.dumps(held)


def test_curl_verifies_the_certificate_that_was_printed() -> None:
    with running("--tls") as (url, lines):
        ca_path = lines[1].split()[-1]
        assert url.startswith("https://")
        assert "registration_id" in curl(url + REGISTER, registration(), "--cacert", ca_path)
    assert not Path(ca_path).exists()


def test_every_switch_has_its_option(http: requests.Session) -> None:
    options = ["--register-twice", "same_id", "--cancel-twice", "error", "--refusal-status", "422"]
    options += ["--wrong-key-status", "403", "--cancel-body", "", "--id-as-string", "--latency", "0.05"]
    options += ["--registration-url", "ABCD1234=https://ams.example.org/cart?a=b"]
    with running(*options) as (url, _):

        def post(path: str, fields: dict[str, Any]) -> requests.Response:
            return http.post(url + path, json=fields, timeout=10)

        first = post(REGISTER, registration())
        assert first.elapsed.total_seconds() >= 0.05
        assert first.json()["registration_id"] == post(REGISTER, registration()).json()["registration_id"]
        assert isinstance(first.json()["registration_id"], str)
        assert post(REGISTER, registration(remote_product_id="NOPE")).status_code == 422
        assert post(REGISTER, registration(api_key="wrong")).status_code == 403
        assert post(CANCEL, cancellation(first.json()["registration_id"])).text == ""
        assert post(CANCEL, cancellation(first.json()["registration_id"])).status_code == 422
        assert 'href="https://ams.example.org/cart?a=b"' in http.get(url, timeout=10).text


def test_every_switch_of_the_reports_has_its_option(http: requests.Session) -> None:
    options = ["--report-key", "another", "--report-limit", "1", "--report-pause", "3600", "--report-flat"]
    options += ["--report-zone", "Asia/Tokyo", "--report-rename", "user.member_id=user.remote_id"]
    options += ["--product", "ABCD1234", "--product", "WXYZ", "--cold-storage", "WXYZ"]
    question = {
        "api_key": "another",
        "format": "json",
        "resource": "productRegistration",
        "fields": {"user.remote_id": True, "transaction_at": True},
        "filters": {},
    }
    with running(*options) as (url, _):
        for product in ("ABCD1234", "WXYZ", "ABCD1234"):
            given = {"remote_product_id": product, "email": "eve@example.org", "at": "2025-03-01T20:00:00Z"}
            http.post(url + "/_fake/registrations", json=given, timeout=10)
        response = http.post(url + "/api/reports", json=question, timeout=10).json()["response"]
        assert response["items"] == [{"user.remote_id": None, "transaction_at": "2025-03-02 05:00:00"}]
        assert response["count"] == 2
        assert http.post(url + "/api/reports", json=question, timeout=10).status_code == 429


@pytest.mark.parametrize("option", [["--report-zone", "Nowhere/Land"], ["--report-rename", "user.name=x"]])
def test_an_option_that_makes_no_sense_is_said_in_one_line(option: list[str]) -> None:
    done = subprocess.run([*COMMAND, *option], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert option[0] in done.stderr


def test_it_takes_faults_while_it_runs(http: requests.Session) -> None:
    with running() as (url, _):
        http.post(url + "/_fake/faults", json={"fault": "status", "status": 503}, timeout=10)
        assert http.post(url + REGISTER, json=registration(), timeout=10).status_code == 503
        http.post(url + "/_fake/faults", json={"fault": "hang"}, timeout=10)
        with pytest.raises(requests.ReadTimeout):
            http.post(url + REGISTER, json=registration(), timeout=0.2)


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with running() as (url, _):
        port = url.rpartition(":")[2]
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 2
    assert "cannot start" in done.stderr
    assert "Traceback" not in done.stderr
