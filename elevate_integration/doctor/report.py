"""The API key by one report query that asks for nothing: where reports are part of the contract."""

from __future__ import annotations

from datetime import datetime

from elevate_integration.conf import conf
from elevate_integration.delivery.sender import make_client
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding
from elevate_integration.doctor.key import key_name
from elevate_integration.elevate.errors import ElevateError, ReportUnreadable
from elevate_integration.elevate.reports import ReportRequest

# A report is asked for by the site's own wall clock, without a zone.
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001


# Whether the way, the address or the key is at fault: what to do differs. Elevate's own answer stands before it.
_MENDS = {
    "not_reached": "Mend the way to Elevate first; the findings above say where it ends.",
    "hurried": "Wait some minutes, then ask again.",
    "key_refused": "Correct {key}, or ask the vendor whether reports are part of your site.",
    "unknown_field": "Correct ELEVATE['REPORT_FIELDS'].",
    "wrong_address": "Correct ELEVATE['URL'] or ELEVATE['REPORT_PATH']. Of the key this says nothing.",
    "unreadable": "Ask again later; if it goes on, show the answer to the vendor. Of the key this says nothing.",
}
_ERRORS = ("not_reached", "key_refused")


def ask_with_key() -> Finding:
    """Ask Elevate's report for one second long ago: it changes nothing there, and holds nobody."""
    how = "The report of one second in the year 2000 was asked for, with the key. It changes nothing at Elevate."
    settings = conf()
    key = "ELEVATE['REPORT_KEY']" if settings.report_key else key_name()
    client = None
    try:
        client = make_client()
        client.report(ReportRequest(_LONG_AGO, _LONG_AGO, settings.report_fields))
    except ReportUnreadable as error:
        level = ERROR if error.trouble in _ERRORS else WARNING
        mend = _MENDS[error.trouble].format(key=key)
        return Finding(level, "key.report", str(error), how, mend, {"trouble": error.trouble})
    except (ElevateError, ValueError) as error:
        return Finding(ERROR, "key.report", str(error), how, _MENDS["not_reached"])
    finally:
        if client is not None:
            client.close()
    return Finding(OK, "key.report", f"Elevate accepts the key of {key} for reports.", how)
