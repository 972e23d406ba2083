"""A new Django project with an environment of its own, in which the README is followed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from tests.built import run

# Nothing of this checkout and of its settings may reach the project.
_OURS = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "TEST_DATABASE_URL", "VIRTUAL_ENV")


class Project:
    """What `django-admin startproject` makes, with one app of its own, `shop`."""

    def __init__(self, folder: Path, models: str) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        run(sys.executable, "-m", "venv", folder / ".venv")
        self.environment["PATH"] = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.shell(f"pip install -q 'Django=={django.__version__}'")
        self.shell("django-admin startproject ams . && python manage.py startapp shop")
        self.write("shop/models.py", models)
        self.add_settings('INSTALLED_APPS += ["shop"]\n')
        self.shell("python manage.py makemigrations shop && python manage.py migrate")

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def add_settings(self, text: str) -> None:
        """Write Python at the end of the settings."""
        with (self.folder / "ams" / "settings.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    def shell(self, commands: str) -> str:
        """Run commands as somebody types them in the project's folder; give what they print."""
        return run("bash", "-euo", "pipefail", "-c", commands, cwd=self.folder, env=self.environment)

    def python(self, script: str) -> None:
        """Run Python in a process of the project's own."""
        self.write("script.py", "import django\n\ndjango.setup()\n" + script)
        self.shell("DJANGO_SETTINGS_MODULE=ams.settings python script.py")

    @contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """Keep a command running meanwhile; end it as a process manager does, and see that it ends well."""
        log = self.folder / "running.log"
        with log.open("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                yield process
                assert process.poll() is None, log.read_text(encoding="utf-8")
            finally:
                process.terminate()
                process.wait(60)


def until(true: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Wait until something is true; tell whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
