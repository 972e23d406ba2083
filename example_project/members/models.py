"""The association's own user model: UUID key, log-in by e-mail, a member number that never changes."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone


class MemberManager(BaseUserManager["Member"]):
    """Makes members and finds them by e-mail, whatever its capitals."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Member:
        """Make a member. Without a member number one is given out."""
        if not email:
            raise ValueError("A member needs an e-mail address.")
        member = self.model(email=email.strip().lower(), **fields)
        member.set_password(password)
        member.save(using=self._db)
        return member

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Member:
        """Make a member of staff who may do everything."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> Member:
        """Find the member who logs in with this e-mail address."""
        return self.get(email=(username or "").strip().lower())

    def with_email(self, email: str) -> Member | None:
        """Give the active member with this e-mail address, or None."""
        return self.filter(email=email.strip().lower(), is_active=True).first()


class Member(AbstractBaseUser, PermissionsMixin):
    """A member of the association. `member_number` is what the single sign-on sends to Elevate."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    member_number = models.CharField(
        max_length=20, unique=True, blank=True, help_text="Stays for life. Empty: one is given out."
    )
    email = models.EmailField("e-mail", unique=True)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May use the office pages.")
    joined_at = models.DateTimeField("joined", default=timezone.now)

    objects = MemberManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []

    class Meta:
        ordering = ["last_name", "first_name"]

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Give out a member number on the first save."""
        if not self.member_number:
            self.member_number = f"RB-{self.pk.hex[:8].upper()}"
        super().save(*args, **kwargs)

    def get_full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """The first name, or what stands before the @."""
        return self.first_name or self.email.partition("@")[0]
