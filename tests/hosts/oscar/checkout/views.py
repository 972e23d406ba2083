"""Takes a card payment: the money is debited at once."""

from __future__ import annotations

from typing import Any

from oscar.apps.checkout import views
from oscar.apps.payment.models import Source, SourceType


class PaymentDetailsView(views.PaymentDetailsView):
    """Writes what payment plug-ins write: a source, a transaction and a payment event."""

    def handle_payment(self, order_number: str, total: Any, **kwargs: Any) -> None:
        """Pay, unless there is nothing to pay."""
        if not total.incl_tax:
            return
        kind, _ = SourceType.objects.get_or_create(name="Card")
        source = Source(
            source_type=kind,
            currency=total.currency,
            amount_allocated=total.incl_tax,
            amount_debited=total.incl_tax,
        )
        source.create_deferred_transaction("Debit", total.incl_tax, reference="card-1")
        self.add_payment_source(source)
        self.add_payment_event("Settled", total.incl_tax)
