"""Import and export of mappings: the preview, mistakes by row, formulas, and what an import sets going."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from elevate_integration.lifecycle import Obstacle
from elevate_integration.models import ProductMapping, UnmappedSale
from tests.rows import make_mapping, make_row

pytest.importorskip("import_export")
openpyxl = pytest.importorskip("openpyxl")

from elevate_integration.admin.files import as_text, as_typed  # noqa: E402

LIST = "/admin/elevate_integration/productmapping/"
CSV, XLSX = "0", "1"
HEAD = "product_key,product_title,remote_product_id,remote_registration_url,send_email,active,not_for_elevate"
LogIn = Callable[..., Client]


def text_of(response: Any) -> str:
    return str(response.content.decode())


def preview(client: Client, data: bytes | str, kind: str = CSV) -> Any:
    raw = data.encode() if isinstance(data, str) else data
    upload = SimpleUploadedFile("mappings.csv" if kind == CSV else "mappings.xlsx", raw)
    return client.post(f"{LIST}import/", {"import_file": upload, "format": kind})


def confirm(client: Client, shown: Any) -> Any:
    form = shown.context["confirm_form"]
    return client.post(f"{LIST}process_import/", form.initial, follow=True)


def take(client: Client, data: bytes | str, kind: str = CSV) -> Any:
    return confirm(client, preview(client, data, kind))


def export(client: Client, kind: str = CSV, query: str = "") -> bytes:
    return bytes(client.post(f"{LIST}export/{query}", {"format": kind}).content)


def test_a_file_is_shown_first_and_taken_over_when_confirmed(boss: Client) -> None:
    shown = preview(boss, f"{HEAD}\ncourse:ART,Art,ART1,https://s.example/art,no,yes,no\n")
    assert "ART1" in text_of(shown)
    assert not ProductMapping.objects.exists()
    page = text_of(confirm(boss, shown))
    assert "1 new" in page
    mapping = ProductMapping.objects.get()
    assert (mapping.remote_product_id, mapping.send_email, mapping.active) == ("ART1", False, True)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.action_flag, entry.change_message) == (
        str(mapping.pk),
        ADDITION,
        "Imported from a file.",
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("course:ART,Art,,,,yes,no", "Type the Remote Product ID"),
        ("course:ART,Art,ART1,,,yes,yes", "Clear one of them"),
        (",Art,ART1,,,yes,no", "This field cannot be blank"),
        ("course:ART,Art,ART1,nonsense,,yes,no", "Enter a valid URL"),
        ("course:ART,Art,ART1,,,perhaps,no", "not “perhaps”"),
        (f"{'k' * 200},Art,ART1,,,yes,no", "at most 150 characters"),
    ],
)
def test_mistakes_are_told_by_row_and_nothing_is_taken(boss: Client, row: str, words: str) -> None:
    page = preview(boss, f"{HEAD}\ncourse:OK,Fine,OK1,,,yes,no\n{row}\n")
    assert words in text_of(page)
    assert [invalid.number for invalid in page.context["result"].invalid_rows] == [2]
    assert "confirm_form" not in page.context
    assert not ProductMapping.objects.exists()


@pytest.mark.parametrize("data", ["product_title\nArt\n", "\x00\x01", b"\xff\xfe\x00"])
def test_a_file_that_is_none_is_told(boss: Client, data: bytes | str) -> None:
    page = preview(boss, data)
    assert page.status_code == 200
    assert "confirm_form" not in page.context
    assert not ProductMapping.objects.exists()


def test_a_file_of_too_many_rows_is_refused(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elevate_integration.admin.files._MOST_ROWS", 1)
    assert "split it" in text_of(preview(boss, f"{HEAD}\na,A,A1,,,,\nb,B,B1,,,,\n"))


def test_semicolons_and_missing_columns_are_read(boss: Client) -> None:
    take(boss, "product_key;remote_product_id\ncourse:ART;ART1\n")
    mapping = ProductMapping.objects.get()
    assert (mapping.product_key, mapping.remote_product_id, mapping.active) == ("course:ART", "ART1", True)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "''x", "'", "plain", "", "O'Hara", "''", "'x", "=x"],
)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str) -> None:
    cell = as_text(text)
    assert cell[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert as_typed(cell) == text.strip()


@pytest.mark.parametrize("kind", [CSV, XLSX])
def test_an_export_read_again_changes_nothing(boss: Client, kind: str) -> None:
    make_mapping(
        product_key="=HYPERLINK()", product_title="@Ünïcode", remote_product_id="-1", send_email=False
    )
    make_mapping(product_key="0012", product_title="+1", remote_product_id="1234", active=False)
    make_mapping(product_key="mug", product_title="", remote_product_id="", not_for_elevate=True)
    before = list(ProductMapping.objects.order_by("pk").values())
    data = export(boss, kind)
    if kind == CSV:
        assert not re.search(r"(^|,)[=+@-]", data.decode("utf-8-sig"), re.MULTILINE)
    else:
        cells = [c for r in openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows() for c in r]
        assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
        assert not [c.value for c in cells if isinstance(c.value, str) and c.value[:1] in "=+-@"]
    shown = preview(boss, data, kind)
    assert {row.import_type for row in shown.context["result"].rows} == {"skip"}
    confirm(boss, shown)
    assert list(ProductMapping.objects.order_by("pk").values()) == before
    assert not LogEntry.objects.exists()


def test_numbers_of_a_spreadsheet_are_ids(boss: Client) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEAD.split(","))
    book.active.append([17, "Art", 1234.0, None, None, True, False])
    stream = io.BytesIO()
    book.save(stream)
    take(boss, stream.getvalue(), XLSX)
    mapping = ProductMapping.objects.get()
    assert (mapping.product_key, mapping.remote_product_id, mapping.active) == ("17", "1234", True)


def test_an_export_keeps_to_the_filter(boss: Client, mapping: ProductMapping) -> None:
    make_mapping(product_key="off", remote_product_id="OFF", active=False)
    assert "course:ETHICS" not in export(boss, query="?active__exact=0").decode("utf-8-sig")


def test_an_export_by_a_filter_that_there_is_not_is_asked_for_without_it(boss: Client) -> None:
    page = "/admin/elevate_integration/productmapping/export/"
    answer = boss.get(f"{page}?nonsense=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, page)


def test_an_import_does_what_the_form_does(boss: Client) -> None:
    mapping = make_mapping(active=False, remote_registration_url="https://s.example/a", url_problem="timeout")
    make_row(mapping, obstacle=Obstacle.REFUSED)
    UnmappedSale.objects.create(order_ref="1", seat_key="1", product_keys="\ncourse:ART\n")
    UnmappedSale.objects.create(order_ref="2", seat_key="1", product_keys="\nmug\n")
    page = text_of(
        take(
            boss,
            f"{HEAD}\ncourse:ETHICS,Ethics,ABCD1234,https://s.example/b,,yes,no\n"
            "course:ART,Art,ART1,,,yes,no\nmug,Mug,,,,yes,yes\n",
        )
    )
    assert "1 registration of this product was refused before" in page
    assert f"{LIST}retry/?mapping={mapping.pk}" in page
    assert "1 seat of this product was sold before" in page
    assert list(UnmappedSale.objects.open().values_list("order_ref", flat=True)) == ["1"]
    mapping.refresh_from_db()
    assert (mapping.active, mapping.url_problem) == (True, "")
    assert LogEntry.objects.filter(action_flag=CHANGE, change_message="Imported from a file.").count() == 1


def test_who_may_import_and_export(staff_client: LogIn, mapping: ProductMapping) -> None:
    client = staff_client("view_productmapping")
    assert client.get(f"{LIST}export/").status_code == 200
    assert client.get(f"{LIST}import/").status_code == 403
    assert client.post(f"{LIST}process_import/", {}).status_code == 403
    page = text_of(client.get(LIST))
    assert f"{LIST}export/" in page
    assert f"{LIST}import/" not in page


def test_others_may_not(staff_client: LogIn) -> None:
    assert staff_client("view_registration").get(f"{LIST}export/").status_code == 403


def test_a_mapper_may_import(staff_client: LogIn) -> None:
    client = staff_client("map_product")
    assert f'{LIST}import/"' in text_of(client.get(LIST))
    take(client, f"{HEAD}\ncourse:ART,Art,ART1,,,yes,no\n")
    assert ProductMapping.objects.count() == 1
