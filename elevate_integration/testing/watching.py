"""What the contract of order sources sees of a shop at work: its statements, its transactions, its signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.apps import apps
from django.db import connections, transaction

from elevate_integration.orders.source import Watch

_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP")


def writes(sql: str) -> bool:
    """Tell whether a statement changes rows or tables."""
    return sql.lstrip("( \n\t").upper().startswith(_WRITING)


@contextmanager
def atomic_everywhere() -> Iterator[None]:
    """Open a transaction on each database, as ATOMIC_REQUESTS does."""
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(transaction.atomic(using=alias))
        yield


@contextmanager
def watching_sql(look: Callable[[str], Any]) -> Iterator[None]:
    """Show each statement to `look` before it runs, on every database; what `look` raises, the asker gets."""

    def ask(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's
        look(str(sql))
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(ask))
        yield


@contextmanager
def calling_refs(watches: Iterable[Watch], queries: list[str], errors: list[str]) -> Iterator[None]:
    """Call each watch's `order_ref` as the package does, and write down what it asks and raises."""

    def receiver(watch: Watch) -> Callable[..., None]:
        def receive(*, raw: bool = False, using: str | None = None, **kwargs: Any) -> None:
            try:
                with watching_sql(queries.append):
                    watch.order_ref(**kwargs)
            except Exception as error:  # noqa: BLE001 - the host's code; what it raised is the finding
                errors.append(f"{type(error).__name__}: {error}")

        return receive

    with ExitStack() as stack:
        for watch in watches:
            sender: Any = watch.sender
            if isinstance(sender, str):
                sender = apps.get_model(sender)
            ours = receiver(watch)
            watch.signal.connect(ours, sender=sender, weak=False)
            stack.callback(watch.signal.disconnect, ours, sender=sender)
        yield
