"""The API key by one report query that asks for nothing: where reports are part of the contract."""

from __future__ import annotations

from datetime import datetime

from elevate_integration.conf import conf
from elevate_integration.delivery.sender import make_client
from elevate_integration.doctor.findings import ERROR, OK, WARNING, Finding
from elevate_integration.elevate.errors import ElevateError, ReportUnreadable
from elevate_integration.elevate.reports import ReportRequest

# A report is asked for by the site's own wall clock, without a zone.
_LONG_AGO = datetime(2000, 1, 1)  # noqa: DTZ001


def ask_with_key() -> Finding:
    """Ask Elevate's report for one second long ago: it changes nothing there, and holds nobody."""
    how = "The report of one second in the year 2000 was asked for, with the key. It changes nothing at Elevate."
    settings = conf()
    try:
        make_client().report(ReportRequest(_LONG_AGO, _LONG_AGO, settings.report_fields))
    except ReportUnreadable as error:
        if error.trouble == "unknown_field":
            text = "Elevate accepts the key for reports, and does not know one of the fields."
            return Finding(WARNING, "key.report", text, how, str(error))
        level = ERROR if error.trouble == "key_refused" else WARNING
        mend = "Correct the key, or ask the vendor whether reports are part of your site."
        return Finding(level, "key.report", str(error), how, mend, {"trouble": error.trouble})
    except (ElevateError, ValueError) as error:
        return Finding(ERROR, "key.report", str(error), how, "Mend the way to Elevate first.")
    which = "REPORT_KEY" if settings.report_key else "API_KEY"
    return Finding(OK, "key.report", f"Elevate accepts {which} for reports.", how)
