"""Checks commands of the documentation without running them: each program, subcommand, option and path must exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError
from django.urls import Resolver404, resolve

from elevate_integration.testing import __main__ as fake
from tests.docs.blocks import ROOT

# Programs of the system whose use here is plain enough to need no look at their options.
PLAIN = {"mkdir", "cd", "cat", "mv", "cp", "umask", "chmod", "export", ".", "git", "systemctl", "journalctl"}
OPERATORS = {"&&", "||", ";", "|", ">", ">>", "<", "&"}
SERVED = {"registrations", "calls", "faults"}


def commands(text: str) -> Iterator[list[str]]:
    """Yield each command of a script as its words: without prompts, comments, redirections and assignments."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        words: list[str] = []
        for word in _words(line.removeprefix("$ ")):
            if word in OPERATORS:
                yield from _whole(words)
                # What follows a redirection is a file.
                words = ["cat"] if word in (">", ">>", "<") else []
            else:
                words.append(word)
        yield from _whole(words)


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def _whole(words: list[str]) -> Iterator[list[str]]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words:
        yield words


def check_all(text: str) -> None:
    """Look at each command of a script. Raises AssertionError for one without any, or with one that does not exist."""
    found = list(commands(text))
    assert found, f"no command in {text!r}"
    for words in found:
        check(words)


def check(words: list[str]) -> None:
    """Look whether a command can be what it is meant to be. Raises AssertionError that says what does not exist."""
    program, *arguments = words
    name = program.rpartition("/")[2]
    if name in PLAIN:
        return
    if re.fullmatch(r"python[\d.]*", name):
        _python(arguments)
        return
    known = _PROGRAMS.get(program if program.startswith(".ci/") else name)
    assert known is not None, f"{program}: the documentation's tests do not know this program"
    known(arguments)


def _python(arguments: list[str]) -> None:
    if arguments[0] == "manage.py":
        _manage(arguments[1:])
    elif arguments[0] == "-m":
        _module(arguments[1], arguments[2:])
    else:
        assert (ROOT / arguments[0]).exists(), f"there is no {arguments[0]}"


def _module(name: str, arguments: list[str]) -> None:
    assert name in ("venv", "build", "twine") or importlib.util.find_spec(name), f"there is no module {name}"
    if name == "elevate_integration.testing":
        _parse(fake._parser(), arguments)


def _manage(arguments: list[str]) -> None:
    name, *rest = arguments
    app = get_commands().get(name)
    assert app is not None, f"there is no command {name}"
    command = load_command_class(app, name) if isinstance(app, str) else app
    _parse(command.create_parser("manage.py", name), rest)


def _parse(parser: ArgumentParser, arguments: list[str]) -> None:
    try:
        parser.parse_args(arguments)
    except (SystemExit, CommandError) as error:
        raise AssertionError(f"{parser.prog} does not take {' '.join(arguments)}: {error}") from error


def _pip(arguments: list[str]) -> None:
    assert arguments[0] == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for argument in arguments[1:]:
        named = re.search(r"\[([\w,-]+)\]", argument)
        if named and argument.startswith((".", "django-elevate-integration")):
            assert set(named[1].split(",")) <= extras.keys(), f"there is no extra {named[1]}"


def _pytest(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.startswith("tests/"):
            assert (ROOT / argument.partition("::")[0]).exists(), f"there is no {argument}"


def _coverage(arguments: list[str]) -> None:
    _subcommand("run", "combine", "report")(arguments)
    for argument in arguments:
        path = argument.removeprefix("--include=")
        assert "/" not in path or (ROOT / path).exists(), f"there is no {path}"


def _mutmut(arguments: list[str]) -> None:
    _subcommand("run", "results", "show")(arguments)
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    for pattern in arguments:
        if pattern.endswith(".*"):
            module = pattern.removesuffix(".*").replace(".", "/") + ".py"
            assert module in config["only_mutate"], f"mutmut does not change {module}"


def _ci(arguments: list[str]) -> None:
    usage = (ROOT / ".ci" / "run").read_text()
    for argument in arguments:
        there = argument in usage or (ROOT / "tests" / "benchmarks" / f"{argument}.py").exists()
        assert there, f".ci/run knows no {argument}"


def _nox(arguments: list[str]) -> None:
    text = (ROOT / "noxfile.py").read_text()
    for flag, value in pairwise(arguments):
        if flag == "-s":
            assert f"def {value.partition('(')[0]}(" in text, f"nox has no session {value}"


def _curl(arguments: list[str]) -> None:
    urls = [one for one in arguments if one.startswith(("http://", "https://"))]
    assert urls, "curl without an address"
    for url in urls:
        path = urlsplit(url).path
        if path.startswith("/_fake/"):
            assert path.removeprefix("/_fake/") in SERVED, f"the fake Elevate serves no {path}"
            continue
        try:
            served = resolve(path).url_name != "nowhere"
        except Resolver404:
            served = False
        assert served, f"nothing is served at {path}"


def _subcommand(*allowed: str) -> Callable[[list[str]], None]:
    def check_it(arguments: list[str]) -> None:
        assert set(arguments) & set(allowed), f"none of {', '.join(allowed)} in {arguments}"

    return check_it


_PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "pip": _pip,
    "pytest": _pytest,
    "coverage": _coverage,
    "mutmut": _mutmut,
    ".ci/run": _ci,
    "nox": _nox,
    "curl": _curl,
    "django-admin": lambda arguments: _manage(arguments),
    "celery": _subcommand("worker", "beat"),
    "sphinx-build": _subcommand("docs"),
    "pre-commit": _subcommand("install", "run"),
    "twine": _subcommand("check", "upload"),
}


def cron(text: str) -> Iterator[str]:
    """Yield the commands of a crontab. Raises AssertionError for a line whose times are none."""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        *times, command = line.split(None, 5)
        assert len(times) == 5, line
        assert all(re.fullmatch(r"[\d*/,-]+", one) for one in times), line
        yield command
