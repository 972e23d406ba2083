"""What staff read about differences with Elevate's report: what is so, what to do, and what is no mistake at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from elevate_integration.reconciled import Discrepancy

if TYPE_CHECKING:
    from elevate_integration.words import Text

Kind = Discrepancy.Kind
Decision = Discrepancy.Decision


@dataclass(frozen=True)
class Explained:
    """One kind of difference in words.

    what: what is so. mend: what a person can do. alarms: names in `FALSE_ALARMS` of what may be behind it. tone: as in
    `show.badge`.
    """

    what: Text
    mend: Text
    alarms: tuple[str, ...] = ()
    tone: str = "warn"


FALSE_ALARMS: dict[str, Text] = {
    "moved": _(
        "Somebody merged two users in Elevate, or transferred the registration to another user: it is then missing under "
        "one person and stands there under the other."
    ),
    "cold": _(
        "The product is in Cold Storage: all its registrations vanish from reports, although they exist."
    ),
    "elsewhere": _("The registration was made by hand, by a mass import or in Elevate's own shop."),
    "by_hand": _("Somebody cancelled the registration in Elevate itself."),
    "zone": _(
        "Elevate writes times in the time zone of its site. A registration near midnight stands under the day before or "
        "after; therefore the days beside are read too, and without them nothing is called missing."
    ),
    "late": _("The report shows what is new with a delay. Compare the day again later."),
    "address": _(
        "The person has another e-mail address or user ID in Elevate than in the store, so the two are not recognised as "
        "one."
    ),
    "refunded": _("The amount was corrected in Elevate, or a part was refunded in the store afterwards."),
}

KINDS: dict[str, Explained] = {
    Kind.ONLY_HERE: Explained(
        _(
            "The learner is registered according to Elevate's own answer, and Elevate's report does not have it."
        ),
        _(
            "Look for the learner in Elevate. If the registration is there, choose Right as it is. If it is gone and the "
            "learner should have it: on the registration's page press Cancel (and if Elevate refuses, as it has nothing to "
            "cancel, Mark as cancelled), then Register again. Then choose Put right."
        ),
        ("cold", "moved", "by_hand", "address", "late"),
        "bad",
    ),
    Kind.ONLY_THERE: Explained(
        _("Elevate's report has a registration of one of your products that nothing here stands for."),
        _(
            "Look for the person's order in the store. If there is none and there should be no registration, cancel it in "
            "Elevate. If it was made in Elevate on purpose, choose Right as it is. If it belongs to an order, take it over "
            "with elevate_import, or press Mark as registered on that order's registration."
        ),
        ("elsewhere", "moved", "address", "zone"),
    ),
    Kind.TWICE: Explained(
        _("Elevate's report has this product more often for this learner than it was registered from here."),
        _(
            "Look at both in Elevate, and which of them the learner has used. If one stands on the page “Duplicates at "
            "Elevate”, cancel it there; else cancel it in Elevate. Then choose Put right."
        ),
        ("elsewhere", "moved"),
    ),
    Kind.AMOUNT: Explained(
        _("The report shows another amount than the one that was sent."),
        _(
            "Elevate cannot be told of a new amount: correct it there if its reports need it. Access does not depend on "
            "it."
        ),
        ("refunded",),
    ),
    Kind.FOUND: Explained(
        _(
            "The registration was sent and its answer was lost. The report has a registration of this learner and product "
            "that fits; only its registration ID is not certain."
        ),
        _(
            "Look for it in Elevate. Then, on the registration's page, press Mark as registered and type the registration "
            "ID that Elevate shows."
        ),
        ("elsewhere",),
        "busy",
    ),
    Kind.NOT_FOUND: Explained(
        _("The registration was sent and its answer was lost. The report does not have it."),
        _(
            "Look for the learner in Elevate. If the registration is not there, press Retry on the registration's page, or "
            "Mark as cancelled if it is no longer wanted. If it is there, press Mark as registered."
        ),
        ("cold", "moved", "late", "address"),
        "bad",
    ),
}


@dataclass(frozen=True)
class Verdict:
    """One decision as a button. what: what it means. decision: the value written down."""

    decision: str
    label: Text
    what: Text


VERDICTS: dict[str, Verdict] = {
    verdict.decision: verdict
    for verdict in (
        Verdict(
            Decision.EXPECTED,
            _("Right as it is"),
            _(
                "Nothing needs to be done about it. It is not shown as open again, however often its day is compared. "
                "Nothing is sent to Elevate."
            ),
        ),
        Verdict(
            Decision.MENDED,
            _("Put right"),
            _(
                "You have mended it here or in Elevate. If the next comparison of that day still finds it, it is open "
                "again. Nothing is sent to Elevate."
            ),
        ),
        Verdict(
            Decision.OPEN,
            _("Open again"),
            _(
                "The decision is taken back, and the difference waits for one again. Nothing is sent to Elevate."
            ),
        ),
    )
}
