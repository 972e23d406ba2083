"""Members in the office."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm

from elevate_integration.admin.box import ElevateMemberAdminMixin
from example_project.members.models import Member


class NewMemberForm(AdminUserCreationForm):
    """Asks for an e-mail address instead of a user name."""

    class Meta:
        model = Member
        fields = ("email",)
        field_classes: dict[str, type] = {}


class MemberForm(UserChangeForm):
    """A member's details."""

    class Meta:
        model = Member
        fields = "__all__"
        field_classes: dict[str, type] = {}


@admin.register(Member)
class MemberAdmin(ElevateMemberAdminMixin, UserAdmin):
    """Members: found by name, e-mail address or member number."""

    form = MemberForm
    add_form = NewMemberForm
    list_display = ("member_number", "first_name", "last_name", "email", "is_active", "is_staff")
    list_display_links = ("member_number", "first_name", "last_name")
    list_filter = ("is_active", "is_staff")
    search_fields = ("member_number", "first_name", "last_name", "email")
    ordering = ("last_name", "first_name")
    readonly_fields = ("joined_at", "last_login")
    fieldsets = (
        (None, {"fields": ("member_number", "first_name", "last_name", "email", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("joined_at", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "email",
                    "first_name",
                    "last_name",
                    "member_number",
                    "usable_password",
                    "password1",
                    "password2",
                )
            },
        ),
    )
