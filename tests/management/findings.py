"""Runs the doctor for programs, and gives what it found."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command


def findings_of(*args: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """Run it with --json; gives the findings by code, and proves the exit status."""
    out = StringIO()
    ended = 0
    try:
        call_command("elevate_doctor", "--json", *args, stdout=out)
    except CommandError as error:
        ended = error.returncode
    told = json.loads(out.getvalue())
    assert told["exit_status"] == ended == status
    return {one["code"]: one for one in told["findings"]}
