"""schemathesis plays the document against the running demo: what is documented is what comes back, for everybody.

`SCHEMATHESIS_EXAMPLES` says how many cases each operation gets at most; `.ci/run` plays more than the suite does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from elevate_integration.lifecycle import AtElevate, Obstacle
from elevate_integration.models import DeliveryState
from tests.api.source import AnyText
from tests.rows import make_mapping, make_row

pytestmark = pytest.mark.django_db(transaction=True)

# Cases for each operation; 0: only the least and the greatest of each value, and a few wrong ones.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))
PHASES = "examples,coverage,fuzzing,stateful" if EXAMPLES else "examples,coverage"
# That a Remote Product ID and "not for Elevate" exclude each other, the document says in words only.
CONFIG = """
[[operations]]
include-operation-id = ["mappings_create", "mappings_partial_update"]
checks.positive_data_acceptance.enabled = false
"""
# In the suite the one who reaches everything; members and strangers in the long form.
PEOPLE = ["boss@example.org", "member@example.org", None] if EXAMPLES else ["boss@example.org"]


@pytest.fixture
def shop(settings: Any) -> None:
    """Rows in every state, an order, delivery that is well, and no limit to the pace."""
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"elevate_read": None, "elevate_act": None},
    }  # fmt: skip
    AnyText.orders = {"9001"}
    mapping = make_mapping()
    for state in (
        {"order_ref": "9001", "seat_key": "seat:1", "learner_key": "M-1", "remote_user_id": "M-1"},
        {"obstacle": Obstacle.REFUSED, "error_messages": [["product", "no such product"]]},
        {"obstacle": Obstacle.INCOMPLETE, "problems": "no_email", "learner_key": ""},
        {"at_elevate": AtElevate.MAYBE, "obstacle": Obstacle.DOUBT},
        {"at_elevate": AtElevate.PRESENT, "learner_key": "member@example.org"},
        {"wanted": False, "at_elevate": AtElevate.PRESENT, "obstacle": Obstacle.PARKED},
    ):
        make_row(mapping, **state)
    DeliveryState.objects.create(pk=1, heartbeat_at=timezone.now() + timedelta(days=1))
    people = get_user_model().objects
    people.create_superuser("boss@example.org", "secret")
    people.create_user("member@example.org", "secret")


def play(url: str, folder: Path, *options: str) -> tuple[int, str]:
    """Run schemathesis, and give its exit status and what it printed."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    ended = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run", f"{url}/api/schema/", "--generation-allow-x00=false",
            f"--phases={PHASES}", f"--max-examples={EXAMPLES or 1}", "--seed=1", "--no-color", "--continue-on-failure", *options,
        ],
        cwd=folder, capture_output=True, text=True, timeout=900, check=False,
        env={**os.environ, "PYTHONWARNINGS": "", "COLUMNS": "120"},
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", PEOPLE)
def test_what_is_documented_is_what_comes_back(shop, live_server, tmp_path, name):
    logged_in = [f"--auth={name}:secret"] if name else []
    status, told = play(live_server.url, tmp_path, *logged_in)
    assert status == 0, told
    # `.ci/run` shows what was counted.
    sys.stdout.write(f"\n{name or 'nobody'}: {told[told.index('API Operations:') :]}")
    cases = re.search(r"(\d+) generated", told)
    assert cases
    assert int(cases[1]) > 50
