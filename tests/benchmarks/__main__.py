"""`python -m tests.benchmarks [name ...] [--small]`: runs benchmarks, each in a process of its own, and judges them.

Needs PostgreSQL (POSTGRES_URL), MariaDB (MARIADB_URL), Redis (BENCH_REDIS_URL) and the environment that `.ci/run
--bench` builds. Ends with status 1 when a target was missed or a rival measured far below what it can do.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import report, stand

# What shares a million rows comes last and in this order.
NAMES = (
    "irrelevant", "capture", "sync", "idle", "latency", "drain", "latency200", "memory", "claim", "list", "resync",
)  # fmt: skip
_MODULES = {"list": "listing"}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument(
        "--small", action="store_true", help="Small sizes: shows that it runs, judges nothing."
    )
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--tables", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"There is no benchmark {', '.join(sorted(unknown))}. There are {', '.join(NAMES)}.")
    if options.child:
        return _child(options.names[0], Path(options.child), tables=options.tables, small=options.small)
    return _parent([name for name in NAMES if name in (options.names or NAMES)], small=options.small)


def _child(name: str, file: Path, *, tables: bool, small: bool) -> int:
    stand.set_up(tables=tables)
    module = importlib.import_module(f"tests.benchmarks.{_MODULES.get(name, name)}")
    file.write_text(json.dumps([asdict(line) for line in module.run(small=small)]))
    return 0


def _parent(names: list[str], *, small: bool) -> int:
    lines: list[report.Line] = []
    started = time.monotonic()
    with stand.new_database(stand.POSTGRES_URL) as url:
        for name in names:
            print(f"\n== {name} ==", flush=True)
            began = time.monotonic()
            found = _run(name, url, tables=not lines, small=small)
            lines += found
            print(report.as_text(found))
            print(f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n== Summary ({time.monotonic() - started:.0f} s) ==\n")
    print(report.as_markdown(lines))
    failed = [line for line in lines if line.failed]
    broken = [line for line in lines if line.measured == "did not run"]
    if small:
        print("\nSmall sizes: that it runs is all that this shows; verdicts are not counted.")
        return 1 if broken else 0
    print(f"\n{len(failed)} of {sum(1 for line in lines if line.target)} targets missed or void.")
    return 1 if failed else 0


def _run(name: str, url: str, *, tables: bool, small: bool) -> list[report.Line]:
    environment = {
        **os.environ,
        "BENCH_DATABASE_URL": url,
        "BENCH_RUN": str(os.getpid()),
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines.json"
        command = [sys.executable, "-m", "tests.benchmarks", name, "--child", str(file)]
        options = [*(["--tables"] if tables else []), *(["--small"] if small else [])]
        ended = subprocess.run([*command, *options], env=environment, check=False)
        if ended.returncode or not file.exists():
            return [report.Line(name, "the whole benchmark", "did not run", "to run", "missed")]
        return [report.Line(**line) for line in json.loads(file.read_text())]


if __name__ == "__main__":
    sys.exit(main())
