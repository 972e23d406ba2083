"""Questions that are asked thousands of times: Django compiles them once per connection. Knows querysets, no tables.

Measured on PostgreSQL: building and compiling a queryset costs more CPU than sending it and reading a row. Only there
the compiled text is kept; the other databases write their time zone into it, and are asked in the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import QuerySet

from elevate_integration.plans import planned_once

# Numbers that stand in for a parameter while a question is compiled; no row of ours comes so far.
_FIRST_NUMBER = 8_000_000_000_000_000_000
_KEPT_AT_MOST = 500


class Prepared:
    """One question.

    build: gives the queryset for the values of its parameters: texts, whole numbers, or collections of them, each of
    which it must hand to the database unchanged. What shapes the text (a limit, a lock) goes into `shape`.
    """

    def __init__(self, build: Callable[..., QuerySet]) -> None:
        self._build = build

    def __call__(self, using: str, shape: tuple[Any, ...] = (), /, **values: Any) -> list[Any]:
        """Ask the database `using`; gives what the queryset would hold. `shape` reaches `build` as its first arguments."""
        values = {name: _plain(value) for name, value in values.items()}
        connection: Any = connections[using]
        if connection.vendor != "postgresql":
            return list(self._build(*shape, **values).using(using))
        # On the connection itself: the compiled question holds on to it, and must not outlive it.
        kept: dict[Any, _Compiled | None] = connection.__dict__.setdefault("_elevate_prepared", {})
        key = (self, shape, *((name, _form(value)) for name, value in values.items()))
        if key not in kept:
            if len(kept) >= _KEPT_AT_MOST:
                kept.clear()
            stand_ins = {
                name: _stand_in(name, value, number) for number, (name, value) in enumerate(values.items())
            }
            kept[key] = _Compiled.of(self._build(*shape, **stand_ins).using(using), stand_ins, using)
        compiled = kept[key]
        if compiled is None:
            return list(self._build(*shape, **values).using(using))
        return compiled.ask(values)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else list(dict.fromkeys(value))


def _form(value: Any) -> Any:
    return type(value) if isinstance(value, str | int) else tuple(map(type, value))


def _stand_in(name: str, value: Any, number: int) -> Any:
    if isinstance(value, Collection) and not isinstance(value, str):
        return [_single(f"{name}[{n}]", one, number * 100_000 + n) for n, one in enumerate(value)]
    return _single(name, value, number * 100_000)


def _single(name: str, value: str | int, number: int) -> str | int:
    return _FIRST_NUMBER + number if isinstance(value, int) else f"\N{SYMBOL FOR SUBSTITUTE}{name}"


def _flat(values: dict[str, Any]) -> list[Any]:
    return [one for value in values.values() for one in (value if isinstance(value, list) else [value])]


class _Compiled:
    """A queryset, its compiler and its text. `places`: which given value goes where among the parameters."""

    def __init__(
        self, queryset: Any, compiler: Any, text: str, constants: list[Any], places: dict[int, int]
    ) -> None:
        self._queryset = queryset
        self._compiler = compiler
        self._text = text
        self._constants = constants
        self._places = places
        self._converters: dict[int, Any] | None = None
        compiler.get_converters = self._get_converters

    @classmethod
    def of(cls, queryset: Any, stand_ins: dict[str, Any], using: str) -> _Compiled | None:
        """Compile a queryset; None when it cannot be kept: it can have no rows, or asks more than one question."""
        if queryset._prefetch_related_lookups:
            return None
        compiler = queryset.query.get_compiler(using)
        try:
            text, parameters = compiler.as_sql()
        except EmptyResultSet:
            return None
        numbers = {stand_in: number for number, stand_in in enumerate(_flat(stand_ins))}
        places = {
            place: numbers[parameter]
            for place, parameter in enumerate(parameters)
            if isinstance(parameter, str | int) and parameter in numbers
        }
        if set(places.values()) != set(numbers.values()):
            raise ValueError("A parameter of a prepared question does not reach the database as it is.")
        queryset.query.get_compiler = lambda *args, **kwargs: compiler
        return cls(queryset, compiler, text, list(parameters), places)

    def _get_converters(self, expressions: Any) -> dict[int, Any]:
        # They depend on the columns alone; finding them anew takes as long as reading a row.
        if self._converters is None:
            self._converters = type(self._compiler).get_converters(self._compiler, expressions)
        return self._converters

    def ask(self, values: dict[str, Any]) -> list[Any]:
        given = _flat(values)
        parameters = list(self._constants)
        for place, number in self._places.items():
            parameters[place] = given[number]
        self._compiler.as_sql = lambda *args, **kwargs: (self._text, tuple(parameters))
        with planned_once(connections[self._compiler.using]):
            return list(self._queryset._iterable_class(self._queryset))
