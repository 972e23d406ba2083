"""What the host can listen to. Sent after the commit, by `send_robust`, with `registration=` (our row).

A receiver that raises is logged and disturbs neither delivery nor other receivers. A signal may be lost when the
process dies between the commit and the call: listen to be quick, read the rows to be sure. `docs/signals.md` is the
whole contract.
"""

from __future__ import annotations

from django.dispatch import Signal

registered = Signal()
"""Elevate has confirmed the registration, or staff have recorded that they found it there."""

refused = Signal()
"""Elevate has refused to register. After a retry that is refused again, it is sent again."""

cancelled = Signal()
"""Elevate has confirmed the cancellation, or staff have recorded that it is gone."""
