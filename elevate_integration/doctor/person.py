"""What exactly would be sent for one person: worked out as delivery does it, and not sent."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Q

from elevate_integration.conf import conf, order_source
from elevate_integration.delivery.sender import register_request
from elevate_integration.models import ProductMapping, Registration, database
from elevate_integration.orders.source import Learner, Seat
from elevate_integration.reading import take_details
from elevate_integration.wishes import details
from elevate_integration.words import PROBLEMS, STATUSES


@dataclass(frozen=True)
class WouldSend:
    """What Elevate would be told about one person. fields: the JSON body without the key.

    url: where it would go. mapping: in words. problems: why it would not go, or not do what is meant.
    standing: the person's registrations for this product, in words.
    """

    learner: Learner | None
    fields: dict[str, Any]
    problems: tuple[str, ...]
    url: str = ""
    mapping: str = ""
    standing: tuple[str, ...] = ()


def find_user(name: str) -> Any:
    """Find a log-in of the host by user name, e-mail, primary key, or the field of REMOTE_USER_ID.

    Raises LookupError unless it is one.
    """
    try:
        model: Any = get_user_model()
    except ImproperlyConfigured as error:
        raise LookupError(f"This site has no accounts: {error}") from error
    asked = Q(**{model.USERNAME_FIELD: name})
    known = {field.name for field in model._meta.get_fields()}
    email = model.get_email_field_name()
    if email in known:
        asked |= Q(**{f"{email}__iexact": name})
    which = conf().remote_user_id
    for field in {"pk", which} if isinstance(which, str) and which in known else {"pk"}:
        with suppress(ValidationError, TypeError, ValueError):
            value = (model._meta.pk if field == "pk" else model._meta.get_field(field)).to_python(name)
            asked |= Q(**{field: value})
    found = list(model._default_manager.filter(asked)[:2])
    if not found:
        raise LookupError("There is no such user. Give a user name, e-mail address, primary key or user ID.")
    if len(found) > 1:
        raise LookupError("Several users have this name. Give the e-mail address.")
    return found[0]


def would_send(user: Any, product: str = "") -> WouldSend:
    """Work out what a registration of this user would send.

    product: a product key or Remote Product ID; "" takes the first mapping. Without a mapping the ID stays open.
    Raises LookupError for a product without a mapping, and what the host's own code raises.
    """
    settings = conf()
    learner: Learner | None = order_source().learner_for(user)
    mapping = _mapping(product)
    row = Registration(order_ref="(order)", seat_key="(seat)", mapping=mapping)
    row.remote_product_id = mapping.remote_product_id
    seat = Seat("(seat)", (mapping.product_key,), learner, active=True, amount_paid=Decimal(0))
    take_details(row, details(seat))
    fields = register_request(row, settings).fields()
    problems = [str(PROBLEMS.get(one, one)) for one in row.problems.split(",") if one]
    if mapping._state.adding:
        problems.append("No product is mapped, so nothing would be sent. Map one in the admin.")
    elif not mapping.active:
        problems.append("The mapping is inactive, so a new sale would not be sent. Activate it in the admin.")
    try:
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError):
        problems.append(
            "A further field cannot be written as JSON, so nothing would be sent. Correct PAYLOAD."
        )
    return WouldSend(
        learner,
        fields,
        tuple(problems),
        url=f"{settings.url}{settings.register_path}",
        mapping="" if mapping._state.adding else str(mapping),
        standing=tuple(_standing(row)),
    )


def _standing(row: Registration) -> list[str]:
    if not row.learner_key:
        return []
    rows = Registration.objects.using(database()).filter(
        learner_key=row.learner_key, remote_product_id=row.remote_product_id
    )
    return [
        f"order {one.order_ref}: {STATUSES[one.status]}"
        + (f", registration ID {one.registration_id}" if one.registration_id else "")
        for one in rows.order_by("-pk")[:10]
    ]


def _mapping(product: str) -> ProductMapping:
    rows = ProductMapping.objects.using(database()).filter(not_for_elevate=False).order_by("-active", "pk")
    if product:
        rows = rows.filter(Q(product_key=product) | Q(remote_product_id=product))
    found = rows.first()
    if found is None and product:
        raise LookupError(f"No mapping has the product key or Remote Product ID {product!r}.")
    return found or ProductMapping(product_key="(product)", remote_product_id="(Remote Product ID)")
