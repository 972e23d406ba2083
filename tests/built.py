"""The package as people get it: source distribution and wheel, built from this checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.host import ROOT


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command and give what it prints. Fails with its output where it ends badly."""
    ended = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env=env,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build(folder: Path) -> Path:
    """Build the source distribution, and the wheel from it, into a folder; give the wheel."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))
