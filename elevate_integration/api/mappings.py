"""`mappings/`: list, look at, make and change product mappings. Deactivated rather than deleted."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from elevate_integration import staff
from elevate_integration.api.base import answers, described, record, who
from elevate_integration.api.filters import MappingFilters
from elevate_integration.api.keys import ID, KeyedRows
from elevate_integration.api.paging import Pages
from elevate_integration.api.problems import DoesNotApply
from elevate_integration.api.serializers import MappingSerializer, SavedMappingSerializer
from elevate_integration.models import ProductMapping, database

_SEE = ("view_productmapping", "change_productmapping", "map_product")


@extend_schema_view(
    list=described(
        description="List product mappings, the newest first. Needs view_productmapping or map_product.",
        responses=answers({200: MappingSerializer(many=True)}, 400, 404),
    ),
    retrieve=described(
        parameters=[ID],
        description="Look at one. Needs view_productmapping or map_product.",
        responses=answers({200: MappingSerializer}, 404),
    ),
)
class MappingViewSet(ListModelMixin, RetrieveModelMixin, KeyedRows):
    """Product mappings. To see them: view_productmapping or map_product. To change them: map_product."""

    needs = {
        "list": _SEE,
        "retrieve": _SEE,
        "create": ("add_productmapping", "map_product"),
        "partial_update": ("change_productmapping", "map_product"),
    }
    serializer_class = MappingSerializer
    filterset_class = MappingFilters
    pagination_class = Pages

    def get_queryset(self) -> Any:
        """Read where we write."""
        return ProductMapping.objects.using(database()).order_by("-pk")

    @described(
        description="Map a product, or say that it is not for Elevate. Needs map_product (or add_productmapping).",
        request=MappingSerializer,
        responses=answers({201: SavedMappingSerializer}, 400, 409, 415),
    )
    def create(self, request: Request) -> Response:
        """Make a mapping."""
        return self._save(request, ProductMapping(), 201, partial=False)

    @described(
        parameters=[ID],
        description=(
            "Change a mapping; `active: false` deactivates it. What never reached Elevate follows; what is registered "
            "stays as it is. Needs map_product (or change_productmapping)."
        ),
        request=MappingSerializer,
        responses=answers({200: SavedMappingSerializer}, 400, 404, 409, 415),
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a mapping."""
        return self._save(request, self.get_object(), 200, partial=True)

    def _save(self, request: Request, mapping: ProductMapping, status: int, *, partial: bool) -> Response:
        form = MappingSerializer(mapping if partial else None, data=request.data, partial=partial)
        form.is_valid(raise_exception=True)
        given = dict(form.validated_data)
        apply_past = given.pop("apply_past", None)
        changed = [name for name, value in given.items() if not partial or getattr(mapping, name) != value]
        for name in changed:
            setattr(mapping, name, given[name])
        try:
            saved = staff.save_mapping(mapping, changed=changed, apply_past=apply_past, actor=who(request))
        except IntegrityError:
            raise DoesNotApply(_("This product is already mapped to this Remote Product ID.")) from None
        record(request, mapping, _("Changed.") if partial else _("Added."))
        warnings = staff.mapping_warnings(mapping, is_own=staff.is_own_host(request.get_host()))
        context = {**self.get_serializer_context(), "saved": saved, "warnings": warnings}
        return Response(SavedMappingSerializer(mapping, context=context).data, status=status)
