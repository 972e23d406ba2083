"""Invoices and their items. Items are written after the invoice; nobody has an account."""

from __future__ import annotations

from django.db import models


class Invoice(models.Model):
    """An order, paid or not."""

    id = models.AutoField(primary_key=True)
    state = models.CharField(max_length=20, default="paid")
    issued = models.DateTimeField()
    touched = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "plainshop"

    def __str__(self) -> str:
        return str(self.pk)


class Item(models.Model):
    """One sold seat."""

    id = models.AutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="items")
    position = models.IntegerField(default=1)
    course = models.CharField(max_length=50)
    person_id = models.CharField(max_length=400, blank=True)
    first_name = models.CharField(max_length=400, blank=True)
    last_name = models.CharField(max_length=400, blank=True)
    email = models.CharField(max_length=400, blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    refunded = models.BooleanField(default=False)

    class Meta:
        app_label = "plainshop"

    def __str__(self) -> str:
        return self.course
