"""What looks wrong about a product mapping: told where it is entered. Forbids nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from elevate_integration.conf import order_source
from elevate_integration.events import event, get_logger
from elevate_integration.models import ProductMapping

if TYPE_CHECKING:
    from elevate_integration.words import Text

logger = get_logger(__name__)

_TWINS = 5
_OFFERED = 20


def odd_characters(text: str) -> str:
    """Give the characters of a Remote Product ID that are easily mistyped or not seen, each once, as staff read them.

    Letters, digits and punctuation of ASCII are fine; blanks and everything else must match Elevate to the letter.
    """
    odd = dict.fromkeys(character for character in text if not "!" <= character <= "~")
    return ", ".join(_shown(character) for character in odd)


def _shown(character: str) -> str:
    if character == " ":
        return _("blank")
    if character.isprintable() and not character.isspace():
        return f"“{character}”"
    return unicodedata.name(character, f"U+{ord(character):04X}").lower()


def mapping_warnings(mapping: ProductMapping, *, is_own: Callable[[str], bool]) -> list[Text]:
    """Say what looks wrong about a mapping, a sentence each.

    is_own: tells whether a host is one of the site's own. Asks the order source for the product; a source that cannot
    be asked warns of nothing.
    """
    if mapping.not_for_elevate:
        return []
    found = (_twins(mapping), _odd(mapping), _elsewhere(mapping, is_own), _not_on_sale(mapping))
    return [text for texts in found for text in texts]


def _twins(mapping: ProductMapping) -> Iterator[Text]:
    if not mapping.remote_product_id:
        return
    twins = ProductMapping.objects.filter(remote_product_id=mapping.remote_product_id, active=True)
    names = [
        f"{m.product_title} ({m.product_key})" if m.product_title else m.product_key
        for m in twins.exclude(pk=mapping.pk)[:_TWINS]
    ]
    if names:
        text = _("The Remote Product ID %(id)s is also used by: %(names)s. Check that this is meant.")
        yield text % {"id": mapping.remote_product_id, "names": ", ".join(names)}


def _odd(mapping: ProductMapping) -> Iterator[Text]:
    odd = odd_characters(mapping.remote_product_id)
    if odd:
        text = _(
            "The Remote Product ID holds unusual characters (%(odd)s). Compare it with Elevate to the letter."
        )
        yield text % {"odd": odd}


def _elsewhere(mapping: ProductMapping, is_own: Callable[[str], bool]) -> Iterator[Text]:
    try:
        host = urlsplit(mapping.remote_registration_url).hostname or ""
    except ValueError:
        host = ""
    if host and not is_own(host):
        text = _(
            "The Remote Registration URL leads to %(host)s, which is not this site. Check that this is meant."
        )
        yield text % {"host": host}


def _not_on_sale(mapping: ProductMapping) -> Iterator[Text]:
    try:
        offered = list(order_source().products(mapping.product_key, _OFFERED))
    except Exception:
        logger.exception(
            "The order source could not give its products.",
            extra=event("elevate.source.failed", method="products"),
        )
        return
    if mapping.active and any(p.key == mapping.product_key and not p.active for p in offered):
        yield _("The store says that this product is not on sale.")
