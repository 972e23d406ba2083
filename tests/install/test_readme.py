"""Somebody makes a new project and follows the README word for word: its commands and its code are read from it.

Only what a reader must put in place of an example is replaced: the path of the package, the address of Elevate, the
port. Needs the package registry, so the suite leaves it out: `.ci/run` runs it, or `pytest tests/install`.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import requests

from tests.built import build
from tests.install import shop
from tests.install.project import Project, until
from tests.test_readme import README, code


def block(language: str, words: str) -> str:
    """Give the one block of the README in this language in which these words stand."""
    found = [text for text in code(language) if words in text]
    assert len(found) == 1, f"The README has {len(found)} blocks with {words!r}."
    return found[0]


def inline(pattern: str) -> str:
    """Give the one piece of code within the README's text that a pattern finds."""
    found = re.findall(rf"`({pattern})`", README)
    assert len(found) == 1, f"The README has {len(found)} pieces of code like {pattern!r}."
    return str(found[0])


def free_port() -> int:
    """Give a port on which nothing listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


class Elevate:
    """The fake that the README starts, seen from outside."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            self.held()
        except requests.ConnectionError:
            return False
        return True

    def held(self) -> list[tuple[str, bool]]:
        """Who was registered, and whether the registration was cancelled."""
        found = requests.get(f"{self.url}/_fake/registrations", timeout=10).json()["registrations"]
        return [(held["firstname"], bool(held["cancelled"])) for held in found]

    def has(self, *held: tuple[str, bool]) -> bool:
        """Whether it holds exactly these."""
        return self.held() == list(held)


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, port: int) -> Project:
    """A project in which steps 1 to 4 of "Install it in your AMS" were followed."""
    folder = tmp_path_factory.mktemp("readme")
    project = Project(folder / "ams", shop.MODELS)
    wheel = build(folder)
    # 1. Install.
    project.shell(block("sh", "pip install path/").replace("path/to/django-elevate-integration", str(wheel)))
    # 2. Settings. "…" stands for the apps that are there.
    settings = block("python", "INSTALLED_APPS = [").replace("# …", "*INSTALLED_APPS,")
    project.add_settings("import os\n\n" + settings.replace("https://learn.example.org", Elevate(port).url))
    options = inline(r'"OPTIONS": \{"transaction_mode"[^`]*\}')
    project.add_settings(f'DATABASES["default"] |= {{{options}}}')
    project.environment["ELEVATE_API_KEY"] = "test-key"
    # 3. The order source. Its first line names its file.
    source = block("python", "class ShopOrders")
    path = re.match(r"# (\S+\.py)\n", source)
    assert path
    project.write(path[1], source)
    # 4. Check and migrate.
    told = project.shell(block("sh", "manage.py migrate"))
    assert "System check identified no issues (0 silenced)." in told
    assert "elevate_integration.0001_initial... OK" in told
    return project


def test_a_new_project_registers_and_cancels_by_following_the_readme(project: Project, port: int) -> None:
    elevate = Elevate(port)
    fake = block("sh", "elevate_integration.testing --port").replace("8001", str(port))
    with project.running(fake):
        assert until(elevate.answers)
        # 5. Map the product.
        project.python(shop.MAP)
        # 6. The default: a thread of the process that sells.
        project.python(shop.SELL_AND_STAY)
        assert elevate.has(("Ada", False))
        # 6. A process of its own.
        dispatcher = inline('"DISPATCHER": "worker"')
        project.add_settings(f"ELEVATE |= {{{dispatcher}}}")
        worker = block("sh", "manage.py elevate_worker")
        with project.running(worker) as process:
            project.python(shop.SELL.format(name="Bob"))
            assert until(lambda: elevate.has(("Ada", False), ("Bob", False)))
            project.python(shop.REFUND)
            assert until(lambda: elevate.has(("Ada", True), ("Bob", False)))
        assert process.returncode == 0
        # 6. Cron: where the line says `/srv/ams`, the project is.
        project.python(shop.SELL.format(name="Cid"))
        line = re.search(r"^ *\*/5 \* \* \* \* +(.*)$", README, re.MULTILINE)
        assert line
        assert project.shell(line[1].replace("/srv/ams", str(project.folder))) == "1 calls made.\n"
        assert elevate.has(("Ada", True), ("Bob", False), ("Cid", False))


def test_the_example_test_of_the_readme_passes_in_the_new_project(project: Project) -> None:
    wheel = next(Path(project.folder.parent).glob("*.whl"))
    project.shell(f"pip install -q '{wheel}[{inline('testing')}]'")
    conftest = block("python", "pytest_plugins")
    project.write("conftest.py", conftest)
    imports, test = block("python", "def test_a_paid_order_is_registered").split("\n\n\n", 1)
    project.write("test_shop.py", f"{imports}\n{shop.PAY_AN_ORDER}{test}")
    told = project.shell("DJANGO_SETTINGS_MODULE=ams.settings pytest -q -W error test_shop.py")
    assert "1 passed" in told
