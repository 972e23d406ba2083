"""The host's signals: each means *look at order X again* and nothing more. Knows the source's watches only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps

from elevate_integration.conf import conf, order_source
from elevate_integration.events import event, get_logger
from elevate_integration.marks import order_changed
from elevate_integration.orders.source import Watch

logger = get_logger(__name__)

# Strong references: with Django's weak ones a closure would fall silent as soon as DEBUG is off.
_connected: list[tuple[Watch, Any, str]] = []


def connect() -> None:
    """Listen to everything that the host's order source watches. Safe to call again; it starts afresh.

    A source that is missing or broken is logged here and named by `manage.py check`; the host still starts.
    """
    disconnect()
    if not conf().order_source:
        return
    try:
        watches = list(order_source().watches())
        for number, watch in enumerate(watches):
            _connect(watch, f"elevate_integration.{number}")
    except Exception as error:  # noqa: BLE001 - the source is the host's code; a check names what it raised
        logger.critical(
            "The order source cannot be used (%s), so no order is seen; run `manage.py check`.",
            type(error).__name__,
            extra=event("elevate.source.unusable"),
        )


def _connect(watch: Watch, uid: str) -> None:
    sender = apps.get_model(watch.sender) if isinstance(watch.sender, str) else watch.sender
    senders = [sender] if sender is None else [sender, *_proxies(sender)]
    receiver = _receiver(watch.order_ref)
    for one in senders:
        watch.signal.connect(receiver, sender=one, weak=False, dispatch_uid=uid)
        _connected.append((watch, one, uid))


def _proxies(sender: type[Any]) -> list[type[Any]]:
    """A proxy model sends its own signals, which the concrete model's receivers do not hear."""
    return [m for m in apps.get_models() if m._meta.proxy and m._meta.concrete_model is sender]


def disconnect() -> None:
    """Stop listening."""
    while _connected:
        watch, sender, uid = _connected.pop()
        watch.signal.disconnect(sender=sender, dispatch_uid=uid)


def _receiver(order_ref: Callable[..., str]) -> Callable[..., None]:
    def receive(*, raw: bool = False, using: str | None = None, **kwargs: Any) -> None:
        if raw:
            return
        try:
            ref = order_ref(**kwargs)
        except Exception:
            logger.exception(
                "The order source could not name the order of a changed %s; the next sweep will look at it.",
                kwargs.get("sender"),
                extra=event("elevate.source.failed", method="watches"),
            )
            return
        if ref:
            order_changed(ref, using=using)

    return receive
