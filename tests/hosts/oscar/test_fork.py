"""A shop that is not as Oscar comes: a forked order app, accounts with a UUID and nothing but an e-mail address."""

from __future__ import annotations

from tests.host import Host

SETTINGS = """
from tests.hosts.oscar.settings import *
from tests.hosts.oscar.settings import ELEVATE as _ELEVATE, INSTALLED_APPS as _APPS

DATABASES = {"default": database("default")}
_OWN = {"oscar.apps.order.apps.OrderConfig": "tests.hosts.oscar.order.apps.OrderConfig"}
INSTALLED_APPS = [*(_OWN.get(app, app) for app in _APPS), "tests.hosts.oscar.people"]
AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]


class _Fresh(dict):
    # Oscar's migrations belong to its own order app: here the tables are made from the models. Ours are run.
    def __contains__(self, label):
        return label != "elevate_integration"

    def __getitem__(self, label):
        return None


MIGRATION_MODULES = _Fresh()
ELEVATE = {**_ELEVATE, "URL": os.environ["FAKE_ELEVATE_URL"]}
"""

SCRIPT = """
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from elevate_integration.conf import order_source
from elevate_integration.delivery.sweep import sweep
from elevate_integration.delivery.worker import Worker
from elevate_integration.models import OrderMark, ProductMapping, Registration
from oscar.test import factories
from tests.hosts.oscar import shop

def deliver():
    return Worker(threads=2).run_once(sweeping=False)

ProductMapping.objects.create(product_key="sku:ETHICS", remote_product_id="ABCD1234")
ethics = shop.course("ETHICS", "Ethics", "100.00")
ada = get_user_model().objects.create_user("ada@example.org", "secret-word-1")
order = shop.buy(shop.visitor(ada), ethics)
found["model"] = type(order).__module__, order.po_number
deliver()
row = Registration.objects.get()
found["nameless"] = row.status, row.problems, row.remote_user_id == str(ada.pk), row.email
found["learner"] = repr(order_source().learner_for(ada)) == f"Learner(remote_user_id={str(ada.pk)!r})"

address = factories.BillingAddressFactory(first_name="Ada", last_name="Sample")
apps.get_model("order", "Order").objects.update(billing_address=address)
found["marks after update()"] = OrderMark.objects.count()
sweep()
deliver()
row.refresh_from_db()
found["named by the address"] = row.status, row.firstname, row.lastname

order.refresh_from_db()
order.set_status("Cancelled")
deliver()
row.refresh_from_db()
found["cancelled"] = row.status
"""


def test_a_forked_order_and_an_account_without_names(elevate, tmp_path):
    host = Host(tmp_path, SETTINGS, {"FAKE_ELEVATE_URL": elevate.url})
    found = host.run(SCRIPT)
    assert found == {
        "model": ["tests.hosts.oscar.order.models", "PO-1"],
        "nameless": ["held", "no_name", True, "ada@example.org"],
        "learner": True,
        "marks after update()": 0,
        "named by the address": ["registered", "Ada", "Sample"],
        "cancelled": "cancelled",
    }
    (held,) = elevate.registrations
    assert held.cancelled
