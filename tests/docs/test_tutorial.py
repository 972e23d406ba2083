"""The tutorial works word for word: its files are written, its commands run, its outputs appear, in a new project."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks_of

PAGE = ROOT / "docs" / "tutorial.md"
# The reader's own folder and environment, made here otherwise; what waits for a person or serves until it is stopped.
LEFT_OUT = re.compile(
    r"mkdir |cd |\. |python3 -m venv|pip install|python manage\.py (createsuperuser|runserver)"
)
SERVER = "python -m elevate_integration.testing"


def own_project() -> list[Block]:
    """Give the blocks of the second part, and those before it that are none of its."""
    text = PAGE.read_text(encoding="utf-8")
    return list(blocks_of(text.split("## A project of your own", 1)[1], "docs/tutorial.md"))


class Reader:
    """Does in a folder what the page says. What was printed since the last look is in `printed`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.printed = ""
        here = str(Path(sys.executable).parent)
        path = os.pathsep.join([here, os.environ["PATH"]])
        dropped = ("DJANGO_SETTINGS_MODULE", "TEST_DATABASE_URL", "DATABASE_URL")
        self.environment = {key: one for key, one in os.environ.items() if key not in dropped}
        self.environment |= {
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error::DeprecationWarning:shop",
        }

    def follow(self, block: Block) -> None:
        """Do one block."""
        text = block.text.replace("8001", str(self.port))
        if block.language == "sh":
            for line in text.splitlines():
                self.command(line)
        elif block.language == "text":
            missing = [line for line in text.splitlines() if line not in self.printed]
            assert not missing, f"{block}: {missing} is not in\n{self.printed}"
            self.printed = ""
        elif head := re.match(r"# (\S+\.py)(, at its end)?\n", text):
            self.write(head[1], text, at_the_end=bool(head[2]))
        else:
            self.run("python manage.py shell", typed=text)

    def command(self, line: str) -> None:
        """Run one line, unless it is the reader's alone."""
        if not LEFT_OUT.match(line) and not line.startswith(SERVER):
            self.run(line)

    def write(self, name: str, text: str, *, at_the_end: bool) -> None:
        """Write a file, or at the end of one."""
        file = self.folder / name
        before = file.read_text() if at_the_end else ""
        file.write_text(before + text)

    def run(self, line: str, *, typed: str = "") -> None:
        """Run a line of the shell and keep what it prints."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        self.printed += ended.stdout + ended.stderr


@contextmanager
def server(reader: Reader, line: str) -> Iterator[None]:
    """Run the fake Elevate of the page's second terminal, and come back once it listens."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=reader.folder,
        env=reader.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "listens at" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.fixture
def reader(tmp_path) -> Reader:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return Reader(tmp_path, one.getsockname()[1])


def test_the_tutorial_works_word_for_word(reader):
    found = own_project()
    (line,) = [line for block in found for line in block.text.splitlines() if line.startswith(SERVER)]
    with server(reader, line.replace("8001", str(reader.port))):
        for block in found:
            reader.follow(block)


def test_the_typo_that_the_tutorial_proposes_is_told_with_the_nearest_word(reader):
    for block in own_project():
        if "manage.py makemigrations" in block.text:
            break
        reader.follow(block)
    settings = reader.folder / "school" / "settings.py"
    settings.write_text(settings.read_text().replace('"STATUS": "status"', '"STATUS": "statsu"'))
    with pytest.raises(AssertionError, match=r"has no 'statsu'. Did you mean 'status'"):
        reader.run("python manage.py check")


def test_the_demonstration_is_started_as_the_readme_says():
    text = PAGE.read_text(encoding="utf-8")
    first = next(blocks_of(text, "docs/tutorial.md"))
    assert first.text in (ROOT / "README.md").read_text(encoding="utf-8")
