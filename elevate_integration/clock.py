"""The database's clock, as an expression. Several machines share one queue, so none of their own clocks counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connections
from django.db.models import DateTimeField, Func
from django.utils import timezone


def now_sql(connection: Any, seconds: float = 0.0) -> str:
    """Give SQL for the database's own now plus `seconds`, in the form in which Django stores datetimes there."""
    if connection.vendor == "postgresql":
        return f"(STATEMENT_TIMESTAMP() + INTERVAL '{seconds:.3f} seconds')"
    offset = _offset(connection) + seconds
    if connection.vendor == "mysql":
        return f"(UTC_TIMESTAMP(6) + INTERVAL {round(offset * 1_000_000)} MICROSECOND)"
    # Django writes six digits, and SQLite compares text: with three, nothing would be due in its own millisecond.
    return f"(STRFTIME('%Y-%m-%d %H:%M:%f', 'now', '{offset:+.3f} seconds') || '000')"


def _offset(connection: Any) -> float:
    zone = connection.timezone if settings.USE_TZ else timezone.get_default_timezone()
    offset = datetime.now(zone or ZoneInfo("UTC")).utcoffset()
    return offset.total_seconds() if offset else 0.0


class DatabaseNow(Func):
    """The database's now plus some seconds, usable in filters, updates and annotations."""

    output_field = DateTimeField()
    arity = 0

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        """Compile; `%` is doubled twice because Django formats the template, and the statement afterwards."""
        template = now_sql(connection, self.seconds).replace("%", "%%%%")
        return super().as_sql(compiler, connection, template=template)


def database_now(using: str) -> datetime:
    """Ask the database what time it is: one query. Aware where the host uses time zones."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now_sql(connection)}".replace("%", "%%"), [])
        value = cursor.fetchone()[0]
    return read_now(connection, value)


def read_now(connection: Any, value: Any) -> datetime:
    """Turn what the database gave for `now_sql` into what Django would give."""
    for converter in connection.ops.get_db_converters(DatabaseNow()):
        value = converter(value, DatabaseNow(), connection)
    now: datetime = value
    return now
