"""The management commands, from their parsers."""

from __future__ import annotations

import argparse

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from elevate_docs.tables import table

APP = "elevate_integration"


def names() -> list[str]:
    """Give the names of our commands."""
    return sorted(name for name, app in get_commands().items() if app == APP)


def parser(name: str) -> argparse.ArgumentParser:
    """Give the parser of a command."""
    return load_command_class(get_commands()[name], name).create_parser("manage.py", name)


def own_actions(name: str) -> list[argparse.Action]:
    """Give the arguments that a command has beside those of every Django command."""
    common = {o for a in BaseCommand().create_parser("manage.py", "bare")._actions for o in a.option_strings}
    return [a for a in parser(name)._actions if not common.intersection(a.option_strings)]


def text() -> str:
    """Write the reference of commands, a section for each."""
    return "\n".join(_section(name) for name in names())


def _section(name: str) -> str:
    found = parser(name)
    rows = [(f"`{_spelled(action)}`", _meaning(found, action)) for action in own_actions(name)]
    arguments = table(("Argument", "Meaning"), rows) if rows else "It has no arguments of its own.\n"
    return f"## {name}\n\n{found.description or ''}\n\n{arguments}"


def _spelled(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    long = max(action.option_strings, key=len)
    if action.nargs == 0:
        return long
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    return f"{long} {action.metavar or choices or action.dest.upper()}"


def _meaning(found: argparse.ArgumentParser, action: argparse.Action) -> str:
    given = found._get_formatter()._expand_help(action) if action.help else ""
    repeats = isinstance(action, argparse._AppendAction) and "again" not in given
    again = " May be given again." if repeats else ""
    default = f" Default: `{action.default}`." if _has_default(action) else ""
    return f"{given}{again}{default}"


def _has_default(action: argparse.Action) -> bool:
    named = action.default not in (None, False, argparse.SUPPRESS, [], "", ())
    return named and action.nargs != 0 and "default" not in (action.help or "").lower()
