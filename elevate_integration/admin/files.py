"""Product mappings as CSV and XLSX files, by django-import-export. Imported only where that app is installed.

A mapping is found by product key and Remote Product ID together; what a file does not name stays as it is. What an
import changes goes through the same functions as the form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.forms import ExportForm
from import_export.resources import ModelResource
from import_export.widgets import Widget

from elevate_integration.admin.base import address, record
from elevate_integration.admin.forms import MappingForm
from elevate_integration.models import ProductMapping
from elevate_integration.staff import mapping_mistakes
from elevate_integration.staff.spreadsheets import is_formula

if TYPE_CHECKING:
    from import_export.results import Result

_MOST_ROWS = 5_000
_YES = frozenset({"yes", "true", "1", "y"})
_NO = frozenset({"no", "false", "0", "n"})


def as_text(value: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula; `as_typed` takes it away again."""
    return f"'{value}" if is_formula(value) or _looks_guarded(value) else value


def as_typed(value: Any) -> Any:
    """Read a cell: without the apostrophe of `as_text`, blanks at the ends, and the `.0` of a spreadsheet's numbers."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str):
        return value if isinstance(value, bool) else str(value)
    return (value[1:] if _looks_guarded(value) else value).strip()


def _looks_guarded(value: str) -> bool:
    return value[:1] == "'" and (is_formula(value[1:]) or value[1:2] == "'")


class YesNo(Widget):
    """`yes` or `no`. An empty cell means `empty`."""

    def __init__(self, *, empty: bool | None) -> None:
        super().__init__()
        self._empty = empty

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool | None:
        """Read a cell; raises ValueError for anything else."""
        word = str(value).strip().lower()
        if not word:
            return self._empty
        if word in _YES | _NO:
            return word in _YES
        raise ValueError(_("Write “yes” or “no”, not “%(word)s”.") % {"word": word[:40]})

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Write a cell."""
        return "" if value is None else ("yes" if value else "no")


class MappingResource(ModelResource):
    """One mapping a row."""

    send_email = Field(attribute="send_email", column_name="send_email", widget=YesNo(empty=None))
    active = Field(attribute="active", column_name="active", widget=YesNo(empty=True))
    not_for_elevate = Field(
        attribute="not_for_elevate", column_name="not_for_elevate", widget=YesNo(empty=False)
    )

    class Meta:
        model = ProductMapping
        fields = MappingForm.Meta.fields
        export_order = fields
        import_order = fields
        import_id_fields = ("product_key", "remote_product_id")
        skip_unchanged = True
        report_skipped = True
        clean_model_instances = True
        use_transactions = True

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Refuse files that nobody can look through."""
        if len(dataset) > _MOST_ROWS:
            raise ValueError(_("The file has more than %(most)s rows: split it.") % {"most": _MOST_ROWS})

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        """Read every cell as it was typed."""
        for name, value in row.items():
            row[name] = as_typed(value)

    def import_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        """Take over the row, and remember what the change means."""
        url, sold = instance.remote_registration_url, instance.pk is not None and instance.sells
        super().import_instance(instance, row, **kwargs)
        if instance.remote_registration_url != url:
            instance.forget_address_check()
        instance.sells_again = instance.pk is not None and not sold and instance.sells

    def validate_instance(
        self,
        instance: Any,
        import_validation_errors: Any = None,
        validate_unique: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        """Ask for what the form asks for."""
        mistakes = mapping_mistakes(instance.remote_product_id, none=instance.not_for_elevate)
        errors = {**mistakes, **(import_validation_errors or {})}
        super().validate_instance(instance, errors, validate_unique)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """Write a cell that no spreadsheet takes for a formula."""
        value = super().export_field(field, instance, **kwargs)
        return as_text(value) if isinstance(value, str) else value


class MappingCSV(CSV):
    """CSV, also with the semicolons that spreadsheets of some countries write."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> Any:
        """Read the file."""
        text = in_stream.decode(self.encoding or "utf-8-sig") if isinstance(in_stream, bytes) else in_stream
        header = text.partition("\n")[0]
        delimiter = ";" if header.count(";") > header.count(",") else ","
        return super().create_dataset(text, delimiter=delimiter, **kwargs)


class FileTransfer(ImportExportMixin, admin.ModelAdmin):
    """The list with import and export."""

    resource_classes = [MappingResource]
    import_formats = export_formats = [MappingCSV, XLSX]
    export_form_class = ExportForm
    # With a mark at its start, so that spreadsheets read accents.
    to_encoding = from_encoding = "utf-8-sig"
    import_error_display = ("message",)
    skip_import_confirm = skip_export_form = False
    import_export_change_list_template = "admin/elevate_integration/productmapping/change_list.html"
    import_template_name = "admin/elevate_integration/productmapping/import.html"
    export_template_name = "admin/elevate_integration/productmapping/export.html"

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Let those import who may add and change."""
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Let those export who may look."""
        return bool(self.has_view_permission(request))

    def export_action(self, request: HttpRequest) -> HttpResponse:
        """Leave out a filter that there is not, as the list does."""
        try:
            answer: HttpResponse = super().export_action(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(address(self, "export"))
        return answer

    def transfer_links(self, request: HttpRequest) -> dict[str, Any]:
        """Give the addresses of what the person may do."""
        return {
            "import_url": address(self, "import") if self.has_import_permission(request) else "",
            "file_export_url": address(self, "export") if self.has_export_permission(request) else "",
        }

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the pages' own looks."""
        return {**super().get_import_context_data(**kwargs), "media": self.media}

    def get_export_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the pages' own looks."""
        return {**super().get_export_context_data(**kwargs), "media": self.media}

    def generate_log_entries(self, result: Result, request: HttpRequest) -> None:
        """Write the import into the history of each mapping, whatever the host's settings say."""
        for kind, flag in (("new", ADDITION), ("update", CHANGE)):
            record(request, _rows(result, kind), _("Imported from a file."), flag=flag)

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """Do what the form does after a save."""
        response: HttpResponse = super().process_result(result, request)
        new, changed = list(_rows(result, "new")), list(_rows(result, "update"))
        self.follow(request, [mapping for mapping in changed if mapping.sells_again])
        for mapping in (m for m in [*new, *changed] if m.not_for_elevate):
            self.settle_past(request, mapping, apply=False)
        self.remind_of_past(request, new)
        return response


def _rows(result: Any, kind: str) -> Iterable[Any]:
    return (row.instance for row in result.rows if row.import_type == kind and row.instance is not None)
