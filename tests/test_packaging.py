"""What people install: a wheel with everything in it, which works outside of the checkout."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import trove_classifiers

from elevate_integration import __version__
from tests.built import build, run
from tests.host import ROOT, Host

PACKAGE = ROOT / "elevate_integration"
# Which Python each Django is tested with. Not imported: nox is not installed where it runs the tests.
PYTHONS = next(
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS"
)
DOCS = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]

SETTINGS = """
INSTALLED_APPS.remove("tests.plainshop")
INSTALLED_APPS += [
    "django.contrib.admin", "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
]
ELEVATE["ORDER_SOURCE"] = "shop.Shop"
STATIC_URL = "static/"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
"""
SHOP = """
from django.db.models.signals import post_save
from elevate_integration.orders.source import OrderSource, Watch

class Shop(OrderSource):
    def watches(self):
        return [Watch(post_save, "auth.Group", lambda instance, **_: str(instance.pk))]
    def snapshot(self, order_ref):
        return None
    def recent(self, since):
        return iter(())
    def placed_at(self, order_ref):
        return None
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel in it; what it depends on is shared with this one."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    purelib = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A path in a .pth file is searched, but the .pth files in it, such as that of this checkout, are not read.
    (purelib / "shared.pth").write_text(sysconfig.get_path("purelib"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    return python


@pytest.fixture
def bare(installed: Path, tmp_path: Path) -> Host:
    """A project that knows nothing of the checkout."""
    environment = {"TEST_DATABASE_URL": ""}
    host = Host(tmp_path, settings=SETTINGS, environment=environment, python=str(installed), path=())
    host.write("shop.py", SHOP)
    return host


def tree() -> set[str]:
    """Give every file of the package, as the wheel names it."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == tree()
    assert {
        "elevate_integration/py.typed",
        "elevate_integration/migrations/0001_initial.py",
        "elevate_integration/testing/__main__.py",
    } <= names


def test_the_wheel_says_what_it_is_and_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(archive.read(name))
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert sorted(line.split(">")[0].lower() for line in needed) == [
        "django",
        "djangorestframework",
        "requests",
        "urllib3",
    ]
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_the_source_distribution_holds_what_its_readme_speaks_of(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"README.md", "CHANGELOG.md", "LICENSE", "manage.py", "pyproject.toml"} <= names
    assert any(name.startswith("example_project/") for name in names)
    assert any(name.startswith("tests/") for name in names)
    assert not {name for name in names if name.endswith((".sqlite3", ".pyc", ".env"))}


def test_the_registry_would_take_both_and_show_the_readme(built):
    told = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()))
    assert told.count("PASSED") == 2


def test_the_wheel_has_nothing_that_wheels_must_not_have(wheel):
    told = run(sys.executable, "-m", "check_wheel_contents", wheel)
    assert told.strip().endswith("OK")


def test_every_extra_and_version_that_is_promised_is_in_the_metadata(wheel):
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(archive.read(name))
    told = {
        extra
        for page in DOCS
        for extra in re.findall(r"extras? `([\w-]+)`", page.read_text(encoding="utf-8"))
    }
    assert told
    assert told <= set(metadata.get_all("Provides-Extra"))
    classified = metadata.get_all("Classifier")
    assert [c for c in classified if c not in trove_classifiers.classifiers] == []
    for label, versions in {
        "Python": {p for row in PYTHONS.values() for p in row},
        "Framework :: Django": set(PYTHONS),
    }.items():
        found = re.findall(rf"^.*{label} :: (\d+\.\d+)$", "\n".join(classified), re.MULTILINE)
        assert set(found) == versions


def test_the_installed_package_is_checked_and_migrates(bare):
    checked = bare.manage("check", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr
    assert bare.manage("makemigrations", "--check", "--dry-run").returncode == 0
    migrated = bare.manage("migrate", "--verbosity", "1")
    assert "elevate_integration.0001_initial" in migrated.stdout
    assert bare.manage("elevate_worker", "--once").stdout == "0 calls made.\n"


def test_the_installed_package_brings_its_templates_and_static_files(bare):
    found = bare.run(
        """
import elevate_integration
from pathlib import Path
from django.contrib.staticfiles import finders
from django.template.loader import get_template

root = Path(elevate_integration.__file__).parent
names = [str(p.relative_to(root / "templates")) for p in root.glob("templates/**/*") if p.is_file()]
static = [str(p.relative_to(root / "static")) for p in root.glob("static/**/*") if p.is_file()]
found["root"] = root
found["templates"] = sorted(name for name in names if get_template(name))
found["static"] = sorted(name for name in static if finders.find(name))
"""
    )
    files = tree()
    assert not found["root"].startswith(str(ROOT))
    for kind in ("templates", "static"):
        prefix = f"elevate_integration/{kind}/"
        assert found[kind] == sorted(name.removeprefix(prefix) for name in files if name.startswith(prefix))
        assert found[kind]


def test_the_installed_fake_can_be_started_from_the_command_line(installed, tmp_path):
    told = run(installed, "-P", "-m", "elevate_integration.testing", "--help")
    assert "A fake Elevate" in told


def test_a_host_that_checks_its_types_sees_ours(installed, tmp_path):
    pytest.importorskip("mypy")
    host = tmp_path / "host.py"
    host.write_text(
        'from elevate_integration.marks import order_changed\n\norder_changed(1, usin="default")\n'
    )
    command = [sys.executable, "-m", "mypy", "--python-executable", installed, "--config-file=", host]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert 'Unexpected keyword argument "usin" for "order_changed"' in told.stdout, told.stdout + told.stderr
    assert "Found 1 error in 1 file" in told.stdout
