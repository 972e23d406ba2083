"""What goes in and out, field by field. People appear only to those who may see registrations."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from elevate_integration import overview, staff, words
from elevate_integration.api.fields import EMail, Flag, MaybeFlag, Text, WebAddress
from elevate_integration.api.filters import waits_for_a_person
from elevate_integration.lifecycle import Operation, Outcome
from elevate_integration.models import Attempt, ProductMapping, Registration

_STATUS = {"type": "string", "enum": [str(status) for status in words.STATUSES]}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_ATTEMPTS = 100
COURSE_STATES = [(n, n) for n in ("ready", "waiting", "details", "unnamed", "attention", "ending", "over")]
CONDITIONS = [(n, n) for n in ("running", "paused", "silent", "unreachable", "key", "busy")]


class LearnerSerializer(serializers.Serializer):
    """The person to be registered."""

    remote_user_id = serializers.CharField(help_text="The user ID at Elevate; empty while it is not known.")
    firstname = serializers.CharField()
    lastname = serializers.CharField()
    email = serializers.CharField()


class SituationSerializer(serializers.Serializer):
    """Where a registration stands, in words. `mend` is empty where nobody has to do anything."""

    what = serializers.CharField(help_text="What is so.")
    next = serializers.CharField(help_text="What happens by itself.")
    mend = serializers.CharField(help_text="What a person can do.")


class RegistrationSerializer(serializers.ModelSerializer):
    """One learner's registration for one product at Elevate.

    `learner` is null, and `error_messages` is empty, for those who may act but not see registrations.
    """

    status = serializers.SerializerMethodField()
    situation = serializers.SerializerMethodField()
    in_trouble = serializers.SerializerMethodField(help_text="Whether it waits for a person.")
    learner = LearnerSerializer(source="*", allow_null=True, read_only=True)
    mapping = serializers.IntegerField(source="mapping_id", read_only=True)
    product_title = serializers.SerializerMethodField()
    amount_paid = serializers.DecimalField(
        max_digits=12, decimal_places=2, coerce_to_string=True, allow_null=True, read_only=True
    )
    problems = serializers.SerializerMethodField(help_text="What is missing, in words.")
    error_messages = serializers.SerializerMethodField(  # type: ignore[assignment]
        help_text="What Elevate said, word for word."
    )
    # `registration_id` beside `id` would be taken for our own key.
    elevate_id = serializers.CharField(
        source="registration_id",
        read_only=True,
        help_text="The registration ID at Elevate; empty: none is known.",
    )
    at_elevate = serializers.CharField(read_only=True, help_text="absent, maybe, present or leaving.")
    obstacle = serializers.CharField(
        read_only=True, help_text="Why nothing is called; empty: nothing is in the way."
    )

    class Meta:
        model = Registration
        fields: tuple[str, ...] = (
            "id", "status", "situation", "in_trouble", "wanted", "at_elevate", "obstacle", "problems",
            "error_messages", "order_ref", "seat_key", "mapping", "product_title", "remote_product_id", "learner",
            "amount_paid", "elevate_id", "product_url", "site", "failures", "trigger", "actor", "due_at",
            "registered_at", "cancelled_at", "forgotten_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(_STATUS)
    def get_status(self, row: Registration) -> str:
        """Give the word on the screen."""
        return str(row.status)

    @extend_schema_field(SituationSerializer)
    def get_situation(self, row: Registration) -> dict[str, str]:
        """Give where it stands, in words."""
        found = words.situation(row.state)
        return {"what": str(found.what), "next": str(found.next), "mend": str(found.mend)}

    def get_in_trouble(self, row: Registration) -> bool:
        """Tell whether it waits for a person."""
        return waits_for_a_person(row)

    def get_product_title(self, row: Registration) -> str:
        """Give the product by its title in the store."""
        return overview.product_of(row)

    @extend_schema_field(_TEXTS)
    def get_problems(self, row: Registration) -> list[str]:
        """Give what is missing."""
        return [str(text) for text in words.problems(row.problems)]

    @extend_schema_field(_TEXTS)
    def get_error_messages(self, row: Registration) -> list[str]:
        """Give what Elevate said."""
        return words.said(row.error_messages)

    def to_representation(self, instance: Registration) -> dict[str, Any]:
        """Leave people out for those who may not see them."""
        data: dict[str, Any] = super().to_representation(instance)
        if not self.context.get("sees_people"):
            data["learner"], data["error_messages"] = None, []
        return data


class AttemptSerializer(serializers.ModelSerializer):
    """One call to Elevate and its answer. `sent` is what was sent, without the key."""

    operation = serializers.ChoiceField(choices=[(str(o), str(o)) for o in Operation], read_only=True)
    outcome = serializers.ChoiceField(choices=[(str(o), str(o)) for o in Outcome], read_only=True)
    sent = serializers.DictField(read_only=True)
    messages = serializers.SerializerMethodField(help_text="What Elevate said, word for word.")

    class Meta:
        model = Attempt
        fields = (
            "id", "operation", "outcome", "trigger", "actor", "started_at", "finished_at", "duration", "sent",
            "status_code", "messages", "answered_id", "body", "note",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(_TEXTS)
    def get_messages(self, attempt: Attempt) -> list[str]:
        """Give what Elevate said."""
        return words.said(attempt.messages)


class RegistrationDetailSerializer(RegistrationSerializer):
    """A registration with its calls, the latest hundred, the newest first."""

    attempts = serializers.SerializerMethodField()

    class Meta(RegistrationSerializer.Meta):
        fields = (*RegistrationSerializer.Meta.fields, "attempts")
        read_only_fields = fields

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, row: Registration) -> Any:
        """Give the calls."""
        return AttemptSerializer(row.attempts.order_by("-pk")[:_ATTEMPTS], many=True).data


class ActedSerializer(RegistrationSerializer):
    """A registration after an act, and what a person should know about it."""

    notes = serializers.SerializerMethodField()

    class Meta(RegistrationSerializer.Meta):
        fields = (*RegistrationSerializer.Meta.fields, "notes")
        read_only_fields = fields

    @extend_schema_field(_TEXTS)
    def get_notes(self, row: Registration) -> list[str]:
        """Give the notes."""
        return [str(note) for note in self.context.get("notes", ())]


class CancelSerializer(serializers.Serializer):
    """What Elevate is told about a cancellation. What is left out or empty is as the settings say."""

    explanation = Text(
        max_length=2000, allow_blank=True, required=False, help_text="For the person at the office."
    )
    email = EMail(allow_blank=True, required=False, help_text="Who at the office is told by Elevate.")
    notify = Flag(required=False, default=False, help_text="Whether Elevate mails the learner.")
    explanation_for_user = Text(
        max_length=2000, allow_blank=True, required=False, help_text="Part of the mail to the learner."
    )


class MappingSerializer(serializers.ModelSerializer):
    """Which product at Elevate a product of the store is, or that it is none.

    `apply_past` decides about seats sold before the product was mapped: true registers them, false leaves them.
    """

    product_key = Text(max_length=150, help_text="The product's key in the store.")
    product_title = Text(max_length=300, required=False, allow_blank=True)
    remote_product_id = Text(max_length=150, required=False, allow_blank=True, default="")
    remote_registration_url = WebAddress(max_length=500, required=False, allow_blank=True)
    active = Flag(
        required=False, default=True, help_text="False: new sales are not registered; nothing is cancelled."
    )
    not_for_elevate = Flag(required=False, default=False)
    send_email = MaybeFlag(
        required=False,
        allow_null=True,
        default=None,
        help_text="Whether Elevate mails the learner; null: as the settings say.",
    )
    apply_past = Flag(required=False, write_only=True)

    class Meta:
        model = ProductMapping
        fields: tuple[str, ...] = (
            "id", "product_key", "product_title", "remote_product_id", "remote_registration_url", "active",
            "not_for_elevate", "send_email", "apply_past", "url_checked_at", "url_problem", "created_at", "updated_at",
        )  # fmt: skip
        # Another mapping of the same two is a conflict and no mistake in what was sent: the view answers 409.
        validators: list[Any] = []
        read_only_fields = ("id", "url_checked_at", "url_problem", "created_at", "updated_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for the Remote Product ID, or for the word that there is none, as the form does."""

        def value(name: str) -> Any:
            return attrs.get(name, getattr(self.instance, name, None))

        mistakes = staff.mapping_mistakes(
            value("remote_product_id") or "", none=bool(value("not_for_elevate"))
        )
        if mistakes:
            raise serializers.ValidationError({name: error.messages for name, error in mistakes.items()})
        return attrs


class SavedMappingSerializer(MappingSerializer):
    """A saved mapping, what looks wrong about it, and what it means for what was sold before.

    `refused`: registrations of this product that Elevate refused before and that could be tried again.
    `past`: seats sold before the product was mapped, about which nobody has decided.
    """

    warnings = serializers.SerializerMethodField()
    refused = serializers.SerializerMethodField()
    past = serializers.SerializerMethodField()
    past_decided = serializers.SerializerMethodField(help_text="Seats about which `apply_past` decided.")

    class Meta(MappingSerializer.Meta):
        fields = (*MappingSerializer.Meta.fields, "warnings", "refused", "past", "past_decided")

    @extend_schema_field(_TEXTS)
    def get_warnings(self, mapping: ProductMapping) -> list[str]:
        """Give what looks wrong."""
        return [str(text) for text in self.context.get("warnings", ())]

    def get_refused(self, mapping: ProductMapping) -> int:
        """Give the number that could be tried again."""
        return int(self.context["saved"].refused)

    def get_past(self, mapping: ProductMapping) -> int:
        """Give the number about which nobody has decided."""
        return int(self.context["saved"].past)

    def get_past_decided(self, mapping: ProductMapping) -> int:
        """Give the number about which was decided now."""
        decided = self.context["saved"].decided
        return 0 if decided is None else int(decided.seats)


class SnapshotLearnerSerializer(serializers.Serializer):
    """A person as the store knows him now."""

    remote_user_id = serializers.CharField()
    firstname = serializers.CharField(source="first_name")
    lastname = serializers.CharField(source="last_name")
    email = serializers.CharField()


class SeatSerializer(serializers.Serializer):
    """One learner's place in an order line, as the store says now."""

    key = serializers.CharField()
    product_keys = serializers.ListField(child=serializers.CharField())
    title = serializers.CharField()
    active = serializers.BooleanField(help_text="Paid for, and neither refunded nor cancelled.")
    amount_paid = serializers.CharField()
    learner = SnapshotLearnerSerializer(allow_null=True)


class SyncSerializer(serializers.Serializer):
    """What reading an order did, or would do, in numbers of rows.

    `withheld`: not made because of the go-live date. `skipped`: somebody else was at it.
    """

    order_ref = serializers.CharField()
    created = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    changed = serializers.IntegerField()
    unmapped = serializers.IntegerField()
    withheld = serializers.IntegerField()
    skipped = serializers.BooleanField()


class OrderSerializer(serializers.Serializer):
    """An order as the store tells it now, beside what is registered. `in_store` is false for one that is gone.

    `sync`: what reading the order now would do.
    """

    order_ref = serializers.CharField()
    in_store = serializers.BooleanField()
    buyer = SnapshotLearnerSerializer(allow_null=True)
    seats = SeatSerializer(many=True)
    registrations = RegistrationSerializer(many=True)
    sync = SyncSerializer()


class CourseSerializer(serializers.Serializer):
    """One course of the member who asks. `product_url` is empty until it can be opened."""

    title = serializers.CharField()
    state = serializers.ChoiceField(choices=COURSE_STATES, source="standing.name")
    label = serializers.CharField(source="standing.label")  # type: ignore[assignment]
    text = serializers.CharField(source="standing.text")
    product_url = serializers.CharField(source="url")
    order_ref = serializers.CharField()
    remote_product_id = serializers.CharField()


class CoursesSerializer(serializers.Serializer):
    """The courses, those that can be opened first. `waiting`: something will change within seconds."""

    waiting = serializers.BooleanField()
    courses = CourseSerializer(many=True)


class HealthSerializer(serializers.Serializer):
    """How delivery is. `trouble` says why it is not well, in words; empty when it is.

    `condition`: running, paused, silent (nobody delivers), unreachable, key (Elevate refuses it) or busy.
    """

    ok = serializers.BooleanField()
    condition = serializers.ChoiceField(choices=CONDITIONS)
    trouble = serializers.ListField(child=serializers.CharField())
    oldest_due_seconds = serializers.FloatField(
        allow_null=True, help_text="How long the longest-waiting call has been due; null: none is."
    )
    heartbeat_seconds = serializers.FloatField(
        allow_null=True, help_text="How long ago the last sign of life was; null: there was none."
    )
