"""`manage.py demo --once` as a person runs it: a process of its own, judged by its exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ELEVATE", "DJANGO", "DATABASE"))
    }
    return subprocess.run(
        [sys.executable, "manage.py", "demo", "--once"],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_demo_proves_every_scenario_against_what_elevate_holds():
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 11 scenarios ended as they must." in done.stdout


def test_the_demo_fails_with_a_wrong_key_and_says_so():
    done = demo(ELEVATE_API_KEY="not-the-key")
    assert done.returncode != 0
    assert "the API key was refused" in done.stdout
    assert "not-the-key" not in done.stdout + done.stderr
