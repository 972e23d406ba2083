"""Starts the fake Elevate from the command line: `python -m elevate_integration.testing --help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from elevate_integration.testing.fake import FakeElevate
from elevate_integration.testing.store import RegisterTwice

FIRST_PRODUCT = "ABCD1234"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        fake = _fake(options)
        fake.start()
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(f"cannot start: {error}")
    ended = threading.Event()
    # Before anybody can know of it: who reads its address may end it at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        _announce(fake)
        ended.wait()
    finally:
        fake.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m elevate_integration.testing",
        description="A fake Elevate for tests and demonstrations. Listens on this machine only.",
        epilog="While it runs: GET /_fake/registrations, POST there what was registered at Elevate itself, GET /_fake/calls, and"
        " GET, POST or DELETE /_fake/faults.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free port")
    parser.add_argument(
        "--api-key", default="test-key", help="the key that calls must carry (default: test-key)"
    )
    parser.add_argument(
        "--product",
        action="append",
        default=[],
        metavar="ID[=TITLE]",
        help=f"repeatable (default: {FIRST_PRODUCT})",
    )
    parser.add_argument(
        "--registration-url",
        action="append",
        default=[],
        metavar="ID=URL",
        help="where Register sends visitors",
    )
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="wait before each answer"
    )
    parser.add_argument(
        "--tls", action="store_true", help="HTTPS with a throw-away certificate (needs trustme)"
    )
    _add_switches(parser)
    _add_report_switches(parser)
    return parser


def _add_switches(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the vendor's page leaves open")
    group.add_argument("--register-twice", choices=get_args(RegisterTwice), default="new_id")
    group.add_argument("--cancel-twice", choices=("success", "error"), default="success")
    group.add_argument("--refusal-status", type=int, default=200)
    group.add_argument("--wrong-key-status", type=int, default=401)
    group.add_argument("--cancel-body", default='{"success": true}', help="JSON or plain text; may be empty")
    group.add_argument("--id-as-string", action="store_true")
    group.add_argument("--refuse-empty-names", action="store_true")


def _add_report_switches(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("its reports")
    group.add_argument("--report-key", default="", help="their own key (default: the API key)")
    group.add_argument(
        "--report-limit", type=int, metavar="N", help="cut answers after so many registrations"
    )
    group.add_argument(
        "--report-pause", type=float, default=0.0, metavar="SECONDS", help="429 to whoever asks sooner"
    )
    group.add_argument("--report-zone", default="UTC", metavar="NAME", help="time zone (default: UTC)")
    group.add_argument("--report-flat", action="store_true", help="user.email instead of nested")
    group.add_argument(
        "--report-rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="a field that this site spells otherwise",
    )
    group.add_argument(
        "--cold-storage", action="append", default=[], metavar="ID", help="a product without reports"
    )


def _fake(options: argparse.Namespace) -> FakeElevate:
    fake = FakeElevate(
        api_key=options.api_key, products=(), port=options.port, tls=options.tls, latency=options.latency
    )
    registration_urls = dict(_pair(text) for text in options.registration_url)
    for text in options.product or [FIRST_PRODUCT]:
        product_id, title = _pair(text)
        fake.add_product(product_id, title, registration_urls.get(product_id, ""))
    fake.register_twice = options.register_twice
    fake.cancel_twice = options.cancel_twice
    fake.refusal_status = options.refusal_status
    fake.wrong_key_status = options.wrong_key_status
    fake.cancel_body = _json_or_text(options.cancel_body)
    fake.id_as_string = options.id_as_string
    fake.empty_names = not options.refuse_empty_names
    _set_reports(fake, options)
    return fake


def _set_reports(fake: FakeElevate, options: argparse.Namespace) -> None:
    reports = fake.reports
    reports.key = options.report_key
    reports.limit = options.report_limit
    reports.pause = options.report_pause
    reports.flat = options.report_flat
    try:
        reports.zone = ZoneInfo(options.report_zone)
    except ZoneInfoNotFoundError:
        raise ValueError(f"--report-zone: there is no time zone {options.report_zone}") from None
    reports.cold_storage.update(options.cold_storage)
    for old, new in (_pair(text) for text in options.report_rename):
        if old not in reports.fields or not new:
            raise ValueError(f"--report-rename: OLD=NEW is needed, OLD one of {', '.join(reports.fields)}")
        reports.fields[new] = reports.fields.pop(old)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _announce(fake: FakeElevate) -> None:
    sys.stdout.write(f"Fake Elevate listens at {fake.url}\n")
    if fake.ca_path:
        sys.stdout.write(f"Its certificate is verified by {fake.ca_path}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
