"""The shop of somebody who follows the README: what the example source there speaks of, and nothing more."""

from __future__ import annotations

MODELS = '''
from django.conf import settings
from django.db import models
from django.utils import timezone


class Order(models.Model):
    status = models.CharField(max_length=20, default="open")
    placed_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    sku = models.CharField(max_length=50)
    title = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    refunded = models.BooleanField(default=False)


def buy(name):
    """A member buys and pays the one course that the shop sells. Gives the order."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    with transaction.atomic():
        email = f"{name.lower()}@example.org"
        member = get_user_model().objects.create(username=name, first_name=name, last_name="Sample", email=email)
        order = Order.objects.create(status="paid")
        Line.objects.create(order=order, member=member, sku="ethics", title="Ethics", price="120.00")
    return order
'''

# Typed into the admin by whoever maps the products.
MAP = """
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

boss = get_user_model().objects.create_superuser("boss")
page = Client()
page.force_login(boss)
address = reverse("admin:elevate_integration_productmapping_add")
fields = {"product_key": "ethics", "product_title": "Ethics", "remote_product_id": "ABCD1234", "active": "on"}
answer = page.post(address, {**fields, "send_email": "unknown"}, SERVER_NAME="localhost")
assert answer.status_code == 302, answer.content.decode()
"""

# A process that sells and stays, as a web server does.
SELL_AND_STAY = """
import sys, time
from shop.models import buy
from elevate_integration.models import Registration

order = buy("Ada")
deadline = time.monotonic() + 60
while not Registration.objects.filter(order_ref=str(order.pk), status="registered").exists():
    if time.monotonic() > deadline:
        sys.exit("The thread of the process that sold has registered nobody.")
    time.sleep(0.1)
"""

SELL = """
from shop.models import buy
buy({name!r})
"""

REFUND = """
from shop.models import Order
order = Order.objects.get(pk=1)
order.status = "refunded"
order.save()
"""

# What the example test calls "yours".
PAY_AN_ORDER = """
from elevate_integration.models import ProductMapping
from shop.models import buy


def pay_an_order():
    ProductMapping.objects.create(product_key="ethics", remote_product_id="ABCD1234")
    buy("Ada")


"""
