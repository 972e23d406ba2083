"""The demonstration's data: invented products, invented people, and how the products are called at Elevate."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from example_project.members.models import Member
from example_project.store.models import Product

PASSWORD = "demo"  # noqa: S105 (printed on the log-in page of the demonstration)
STAFF_EMAIL = "staff@example.org"


@dataclass(frozen=True)
class Item:
    """A product of the demonstration.

    remote_products: Remote Product IDs at Elevate and the titles there; several make a bundle, none: nobody has
        mapped the product yet. at_elevate: whether Elevate knows them.
    """

    sku: str
    slug: str
    title: str
    kind: str
    price: str
    hours: str
    summary: str
    description: str
    remote_products: tuple[tuple[str, str], ...] = ()
    at_elevate: bool = True
    not_for_elevate: bool = False


ITEMS = (
    Item(
        "RB-BND-101",
        "boundary-retracement",
        "Boundary Retracement: Following the Footsteps",
        "course",
        "149.00",
        "6.0",
        "How to find the line that the first surveyor ran, and how to defend it.",
        "Six lessons on evidence, monuments and the order of calls, each with a case from a county court.\n\n"
        "You retrace one section from its 1874 field notes, step by step, and write the report.",
        (("RB101", "Boundary Retracement: Following the Footsteps"),),
    ),
    Item(
        "RB-GNSS-210",
        "gnss-control-surveys",
        "GNSS Control Surveys with Real-Time Networks",
        "course",
        "189.00",
        "8.0",
        "Plan, observe and adjust a control network that stands up to review.",
        "Session planning, redundancy, minimally constrained adjustment, and the numbers that belong in a report.\n\n"
        "Practice data and a template for the field log are included.",
        (("RB210", "GNSS Control Surveys with Real-Time Networks"),),
    ),
    Item(
        "RB-DRN-120",
        "drone-mapping",
        "Drone Mapping for Small Firms",
        "course",
        "129.00",
        "5.0",
        "Ground control, flight plans and honest accuracy statements.",
        "What a firm of three can offer with one aircraft: sites that pay, checkpoints that prove the result, and the "
        "wording of a deliverable that promises no more than it keeps.",
        (("RB120", "Drone Mapping for Small Firms"),),
    ),
    Item(
        "RB-ETH-001",
        "ethics",
        "Ethics and Standards of Practice",
        "course",
        "0.00",
        "2.0",
        "The yearly two hours, free for members.",
        "Conflicts of interest, the duty to the neighbor, and what the board decided this year.",
        (("RB001", "Ethics and Standards of Practice"),),
    ),
    Item(
        "RB-FLD-115",
        "flood-elevation-certificates",
        "Elevation Certificates Without Surprises",
        "course",
        "19.99",
        "1.5",
        "From the benchmark to the signed form, line by line.",
        "Building diagrams, datum conversions and the five mistakes that send a form back.",
        (("RB115", "Elevation Certificates Without Surprises"),),
    ),
    Item(
        "RB-WEB-0312",
        "easements-live",
        "Easements: Questions From the Field (live)",
        "webinar",
        "39.00",
        "1.5",
        "Ninety minutes with a land attorney and your own cases.",
        "Send your question with a sketch beforehand. The recording stays open for a year.",
        (("RBW312", "Easements: Questions From the Field (live)"),),
    ),
    Item(
        "RB-CERT-BL",
        "boundary-law-certificate",
        "Boundary Law Certificate",
        "bundle",
        "229.00",
        "8.0",
        "Two courses and an examination, for less than their sum.",
        "Boundary Retracement and Riparian Boundaries together, and the certificate when both are passed.",
        (
            ("RB101", "Boundary Retracement: Following the Footsteps"),
            ("RB140", "Riparian Boundaries and Moving Rivers"),
        ),
    ),
    Item(
        "RB-BOOK-07",
        "field-notes-handbook",
        "The Field Notes Handbook, 7th edition",
        "book",
        "42.00",
        "0.0",
        "Waterproof, fits the vest pocket. Sent by mail.",
        "Abbreviations, sketches, sun shots and curve tables on paper that takes a pencil in the rain.",
        not_for_elevate=True,
    ),
    Item(
        "RB-MON-300",
        "monument-preservation",
        "Monument Preservation and Corner Records",
        "course",
        "89.00",
        "3.0",
        "Find it, reference it, file it, before the grader comes.",
        "State rules, reference ties that survive a road project, and corner records with photographs.",
        (("RB-300", "Monument Preservation and Corner Records"),),
        at_elevate=False,
    ),
    Item(
        "RB-LIDAR-220",
        "mobile-lidar",
        "Mobile Lidar on Rural Roads",
        "course",
        "159.00",
        "5.5",
        "New this season: targets, drift and what to ask a contractor.",
        "A course for the office that orders a scan as much as for the crew that drives it.",
    ),
)

PEOPLE = (
    # member number, first name, last name, e-mail
    ("RB-1001", "Grace", "Holloway", "grace@example.org"),
    ("RB-1002", "Mateo", "Rivas", "mateo@example.org"),
    ("RB-1003", "Zoë", "Brændstrup", "zoe@example.org"),
    ("RB-1004", "ليلى", "حدّاد", "layla@example.org"),
    ("RB-1005", "Tomasz", "Wiśniewski", "tomasz@example.org"),
    ("RB-1006", "Hannah", "Okafor", "hannah@example.org"),
)


def elevate_products() -> dict[str, str]:
    """Give what Elevate sells in the demonstration: Remote Product ID and title."""
    return {
        remote_id: title for item in ITEMS if item.at_elevate for remote_id, title in item.remote_products
    }


@transaction.atomic
def load_demo() -> None:
    """Make what is missing of the demonstration. Nothing that exists is changed."""
    for item in ITEMS:
        _load_product(item)
        _map(item)
    for number, first_name, last_name, email in PEOPLE:
        _load_person(number, first_name, last_name, email)
    _load_person("RB-0001", "Sam", "Office", STAFF_EMAIL, is_staff=True, is_superuser=True)


def _load_product(item: Item) -> None:
    Product.objects.get_or_create(
        sku=item.sku,
        defaults={
            "slug": item.slug,
            "title": item.title,
            "kind": item.kind,
            "price": Decimal(item.price),
            "hours": Decimal(item.hours),
            "summary": item.summary,
            "description": item.description,
        },
    )


def _map(item: Item) -> None:
    from elevate_integration.models import ProductMapping

    if item.not_for_elevate:
        ProductMapping.objects.get_or_create(
            product_key=item.sku,
            remote_product_id="",
            defaults={"product_title": item.title, "not_for_elevate": True},
        )
    for remote_id, title in item.remote_products:
        ProductMapping.objects.get_or_create(
            product_key=item.sku,
            remote_product_id=remote_id,
            defaults={"product_title": title, "remote_registration_url": _landing(remote_id), "active": True},
        )


def _landing(remote_id: str) -> str:
    """Give the address that the office types into the product at Elevate."""
    return settings.SITE_URL + reverse(
        "elevate_integration:register", kwargs={"remote_product_id": remote_id}
    )


def _load_person(number: str, first_name: str, last_name: str, email: str, **rights: bool) -> None:
    if not Member.objects.filter(email=email).exists():
        Member.objects.create_user(
            email, PASSWORD, member_number=number, first_name=first_name, last_name=last_name, **rights
        )
