"""What the host can listen to. Sent after the commit, by `send_robust`, with `registration=` (our row).

A receiver that raises is logged and disturbs neither delivery nor other receivers. A signal may be lost when the
process dies between the commit and the call: listen to be quick, read the rows to be sure. `docs/signals.md` is the
whole contract.
"""

from __future__ import annotations

from django.dispatch import Signal

registered = Signal()
refused = Signal()
cancelled = Signal()
