"""The fixture as a host takes it, and that nothing but the fixture needs pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOST_TEST = """
pytest_plugins = ["elevate_integration.testing.fixtures"]

def test_nothing_is_registered_yet(fake_elevate):
    assert fake_elevate.url.startswith("http://127.0.0.1:")
    assert fake_elevate.registrations == []
"""


def test_a_host_gets_the_fixture_by_naming_the_module(tmp_path: Path) -> None:
    (tmp_path / "test_host.py").write_text(HOST_TEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:django",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_fake_needs_nothing_but_python() -> None:
    program = (
        "import sys; import elevate_integration.testing.__main__;"
        "print([name for name in ('django', 'pytest', 'requests', 'trustme') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_trustme_tls_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['trustme'] = None\n"
        "from elevate_integration.testing.__main__ import main\n"
        "main(['--tls'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "pip install trustme" in done.stderr
