"""The versions this package promises to run with: `nox` runs every cell whose interpreter is there.

`nox --list` names them; what follows `--` goes to pytest: `nox -s "tests(3.12-6.0)" -- tests/api`.
Deprecation warnings are errors in each: by `filterwarnings` in the tests, by `-W` where Django starts.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
# Which Python each Django runs on, as its release notes say.
PYTHONS = {
    "5.2": ("3.11", "3.12", "3.13"),
    "6.0": ("3.12", "3.13"),
    "6.1": ("3.12", "3.13"),
}
CELLS = [
    nox.param(python, django, id=f"{python}-{django}") for django, row in PYTHONS.items() for python in row
]
# What the suite needs beside what hosts install: no linters, and no tool that brings its own ideas of versions.
TOOLS = (
    "bandit",
    "build",
    "check-wheel-contents",
    "hatchling",
    "hypothesis",
    "opentelemetry-sdk",
    "polib",
    "trustme",
    "twine",
)
EXTRAS = "demo,testing,tasks,celery,prometheus,opentelemetry,health-check"

nox.options.sessions = ["tests", "lowest"]
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"


@nox.session
@nox.parametrize("python,django", CELLS)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite with the highest version of every dependency that this Django allows."""
    eagerly = ("--upgrade", "--upgrade-strategy", "eager")
    session.install(*eagerly, "-e", f".[{EXTRAS}]", *TOOLS, f"Django=={django}.*")
    run_suite(session)


@nox.session(python=PYTHONS["5.2"][0])
def lowest(session: nox.Session) -> None:
    """Run the suite with the oldest Python and the lowest version of every dependency that `pyproject.toml` allows."""
    # Not in `create_tmp()`, which moves TMPDIR into the checkout: tests make projects there that must not find ours.
    constraints = Path(session.virtualenv.location) / "lowest.txt"
    constraints.write_text("\n".join(lowest_versions()) + "\n", encoding="utf-8")
    session.install("-e", f".[{EXTRAS}]", *TOOLS, "-c", str(constraints))
    run_suite(session)


def lowest_versions() -> list[str]:
    """Give `name==version` for the lower bound of each dependency and of those of the extras that EXTRAS names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # `demo` is made of other extras.
    named = [*EXTRAS.split(","), *re.findall(r"[\w-]+(?=[,\]])", extras["demo"][0].partition("[")[2])]
    lines = [*project["dependencies"], *(line for name in named for line in extras[name])]
    bounds = (re.match(r"([\w-]+)(?:\[[^]]*\])?>=([\w.]+)", line) for line in lines)
    return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


def run_suite(session: nox.Session) -> None:
    """Start Django with every deprecation an error, then run the tests; those with a browser run in the environment of
    the developers once, as they tell about pages and not about versions.
    """
    session.run(
        "python",
        "-c",
        "import sys, django; print('Python', sys.version.split()[0], 'Django', django.__version__)",
    )
    deprecations = ("-W", "error::DeprecationWarning", "-W", "error::PendingDeprecationWarning")
    session.run("python", *deprecations, "manage.py", "check")
    session.run("pytest", "-q", "-p", "no:cacheprovider", "-m", "not browser", *session.posargs)
