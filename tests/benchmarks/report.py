"""What a benchmark gives back, and how it is printed: measured, target, verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

_HEADS = ("benchmark", "what", "measured", "target", "verdict", "CPU")


@dataclass(frozen=True)
class Line:
    """One line of the table. verdict: `ok`, `missed`, `VOID` (a rival was far too slow, so the run proves nothing), or
    empty where nothing is promised."""

    benchmark: str
    what: str
    measured: str
    target: str = ""
    verdict: str = ""
    cpu: str = ""

    @property
    def failed(self) -> bool:
        """Whether the run as a whole has failed because of this line."""
        return self.verdict in ("missed", "VOID")


def at_most(
    benchmark: str, what: str, value: float, limit: float, form: str = "{:.2f}", cpu: str = "", note: str = ""
) -> Line:
    """Judge a figure that should be small."""
    return _judged(benchmark, what, value, limit, form, cpu, note, good=value <= limit, sign="<=")


def at_least(
    benchmark: str, what: str, value: float, limit: float, form: str = "{:.2f}", cpu: str = "", note: str = ""
) -> Line:
    """Judge a figure that should be large."""
    return _judged(benchmark, what, value, limit, form, cpu, note, good=value >= limit, sign=">=")


def _judged(
    benchmark: str,
    what: str,
    value: float,
    limit: float,
    form: str,
    cpu: str,
    note: str,
    *,
    good: bool,
    sign: str,
) -> Line:
    measured = form.format(value) + (f" ({note})" if note else "")
    return Line(benchmark, what, measured, f"{sign} {form.format(limit)}", "ok" if good else "missed", cpu)


def rival(
    benchmark: str, what: str, value: float, figure: float, form: str = "{:.0f}/s", cpu: str = ""
) -> Line:
    """Show a rival. Below 80 % of what it is known to make, the run says nothing about us."""
    if not figure:
        return Line(benchmark, what, form.format(value), cpu=cpu)
    verdict = "" if value >= 0.8 * figure else "VOID"
    return Line(benchmark, what, form.format(value), f"rival, >= 80 % of {figure:g}", verdict, cpu)


def as_text(lines: Sequence[Line]) -> str:
    """Give a table for the terminal."""
    rows = [tuple(asdict(line).values()) for line in lines]
    widths = [max(len(str(row[n])) for row in [_HEADS, *rows]) for n in range(len(_HEADS))]
    return "\n".join(
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [_HEADS, *rows]
    )


def as_markdown(lines: Iterable[Line]) -> str:
    """Give a table to paste."""
    rows = [_HEADS, ("---",) * len(_HEADS), *(tuple(asdict(line).values()) for line in lines)]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
