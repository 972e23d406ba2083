"""Migrations: one line, there and back, the same tables on every database, nothing lost from any release, no long lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader

from elevate_integration.online import AddIndexOnline, RemoveIndexOnline
from tests.host import Host
from tests.migration_rules import BIG, faults
from tests.released import Release, digests, load, released
from tests.released.rows import at_hand
from tests.released.upgrade import lost, upgrade

APP = "elevate_integration"
MODELS = list(apps.get_app_config(APP).get_models())


@pytest.fixture(scope="module")
def loader() -> MigrationLoader:
    """The migrations on the disk, whatever a database has."""
    return MigrationLoader(None)


@pytest.fixture(scope="module")
def line(loader: MigrationLoader) -> list[migrations.Migration]:
    """Our migrations, the first one first."""
    leaf = loader.graph.leaf_nodes(APP)[0]
    return [loader.graph.nodes[key] for key in loader.graph.forwards_plan(leaf) if key[0] == APP]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, list[str]]:
    """The version at hand as if it were released today, and the statuses of its registrations."""
    return at_hand(tmp_path_factory.mktemp("made"))


# One line, there and back.


def test_there_is_one_line_of_migrations_that_depends_on_no_other_app(loader, line):
    assert len(loader.graph.leaf_nodes(APP)) == 1
    before: list[tuple[str, str]] = []
    for number, migration in enumerate(line, start=1):
        assert migration.name.startswith(f"{number:04}_")
        assert migration.dependencies == before
        assert not migration.run_before
        before = [(APP, migration.name)]


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", APP, check=True, dry_run=True, verbosity=0)


def test_everything_can_be_taken_back_and_done_again(tmp_path):
    found = Host(tmp_path).run(
        """
from django.core.management import call_command
from django.db import connection

def ours():
    return sorted(name for name in connection.introspection.table_names() if name.startswith("elevate_integration_"))

found["there"] = ours()
call_command("migrate", "elevate_integration", "zero", verbosity=0)
found["gone"] = ours()
call_command("migrate", "elevate_integration", verbosity=0)
found["back"] = ours()
"""
    )
    assert found["there"] == found["back"] == sorted(model._meta.db_table for model in MODELS)
    assert found["gone"] == []


# The same tables on every database.


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_the_table_has_the_columns_indexes_and_constraints_that_the_model_says(model):
    table = model._meta.db_table
    with connection.cursor() as cursor:
        description = connection.introspection.get_table_description(cursor, table)
        constraints = connection.introspection.get_constraints(cursor, table)
    columns = {column.name: bool(column.null_ok) for column in description}
    assert columns == {field.column: field.null for field in model._meta.concrete_fields}
    for index in model._meta.indexes:
        fields = [model._meta.get_field(name).column for name, _ in index.fields_orders]
        assert constraints[index.name]["index"]
        assert constraints[index.name]["columns"] == fields
    for constraint in model._meta.constraints:
        fields = [model._meta.get_field(name).column for name in constraint.fields]
        assert constraints[constraint.name]["unique"]
        assert constraints[constraint.name]["columns"] == fields
    for field in model._meta.concrete_fields:
        if field.unique and not field.primary_key:
            assert [c for c in constraints.values() if c["unique"] and c["columns"] == [field.column]]


# Nothing is lost from any release.


def test_released_migrations_are_never_edited():
    now = digests()
    for path in released():
        release = load(path)
        assert {name: now.get(name) for name in release.digests} == release.digests, path.name


def test_the_rows_for_later_tests_are_of_every_table_and_status(made):
    release, statuses = made
    assert {name for name, rows in release.rows.items() if rows} == {
        model._meta.model_name for model in MODELS
    }
    assert set(statuses) == {"registered", "cancelled", "refused", "held", "unconfirmed", "pending"}
    for model in MODELS:
        assert set(release.rows[model._meta.model_name][0]) == {
            f.attname for f in model._meta.concrete_fields
        }


def test_the_file_of_a_release_can_be_read_again(made, tmp_path):
    release, _ = made
    assert load(release.save(tmp_path)) == release


@pytest.mark.parametrize("path", [*released(), None], ids=lambda path: path.stem if path else "at_hand")
def test_a_store_of_each_release_keeps_every_row_and_goes_on_selling(path, made, tmp_path):
    release = load(path) if path else made[0]
    seen = upgrade(release, tmp_path)
    assert lost(release.rows, seen.released) == []
    assert lost(seen.released, seen.upgraded) == []
    assert lost(seen.upgraded, seen.taken_back) == []
    assert lost(seen.upgraded, seen.again) == []
    assert seen.new == ["registered"]


LATER = """
from django.db import migrations, models

from elevate_integration.online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("elevate_integration", "{before}")]
    operations = [{operation}]
"""


def _later(folder: Path, operation: str) -> str:
    """Write a store's folder with our migrations and one that follows them; give the setting that names it."""
    for source in (Path(apps.get_app_config(APP).path) / "migrations").glob("*.py"):
        target = folder / "later" / source.name
        target.parent.mkdir(exist_ok=True)
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    last = max(digests())
    text = LATER.format(before=last, operation=operation)
    (folder / "later" / f"{int(last[:4]) + 1:04}_later.py").write_text(text, encoding="utf-8")
    return 'MIGRATION_MODULES = {"elevate_integration": "later"}\n'


def test_a_later_migration_that_builds_an_index_online_loses_nothing_there_and_back(made, tmp_path):
    index = 'models.Index(fields=["order_ref", "-id"], name="elevate_later")'
    settings = _later(tmp_path, f'AddIndexOnline("registration", {index})')
    seen = upgrade(made[0], tmp_path, settings=settings)
    assert lost(seen.released, seen.upgraded) == lost(seen.upgraded, seen.taken_back) == []
    assert seen.new == ["registered"]


def test_a_later_migration_that_loses_something_is_found_out(made, tmp_path):
    forget = "migrations.RunSQL(\"UPDATE elevate_integration_registration SET registration_id = ''\", migrations.RunSQL.noop)"
    seen = upgrade(made[0], tmp_path, settings=_later(tmp_path, forget))
    registered = next(row for row in made[0].rows["registration"] if row["registration_id"])
    assert f"registration {registered['id']}.registration_id" in lost(seen.released, seen.upgraded)[0]


def test_a_row_that_is_gone_is_found_out(made):
    rows = made[0].rows
    assert lost(rows, {**rows, "attempt": rows["attempt"][1:]}) == [f"attempt {rows['attempt'][0]['id']}"]


# No long lock.


def _migration(*operations: Any, atomic: bool = True) -> migrations.Migration:
    migration = migrations.Migration("9999_later", APP)
    migration.operations, migration.atomic = list(operations), atomic
    return migration


NEW = models.Index(fields=["product_title"], name="elevate_new")
TITLE = models.CharField(max_length=300, blank=True)
UNIQUE = models.UniqueConstraint(fields=["order_ref"], name="elevate_new")


def _nothing(apps: Any, schema_editor: Any) -> None:
    """Do nothing: what a data migration does cannot be told from outside."""


def test_no_migration_after_the_first_stops_a_store(loader, line):
    for migration in line[1:]:
        state = loader.project_state(migration.dependencies)
        assert list(faults(migration, state)) == [], migration.name


@pytest.mark.parametrize(
    "migration",
    [
        _migration(AddIndexOnline("registration", NEW), atomic=False),
        _migration(RemoveIndexOnline("registration", "elevate_registration_name"), atomic=False),
        _migration(migrations.AddIndex("productmapping", NEW)),
        _migration(migrations.AddField("registration", "more", models.CharField(max_length=9, default=""))),
        _migration(migrations.AddField("attempt", "more", models.DateTimeField(null=True))),
        _migration(migrations.AddField("attempt", "more", models.JSONField(default=dict))),
        _migration(migrations.AddField("attempt", "more", models.IntegerField(db_default=0))),
        _migration(migrations.AlterField("registration", "product_title", models.CharField("t", max_length=300, blank=True))),
        _migration(migrations.RemoveField("registration", "problems")),
        _migration(migrations.AlterModelOptions("registration", {"verbose_name": "x"})),
    ],
    ids=lambda migration: migration.operations[0].describe(),
)  # fmt: skip
def test_a_migration_that_a_store_does_not_feel_is_allowed(migration, loader):
    assert list(faults(migration, loader.project_state())) == []


@pytest.mark.parametrize(
    ("migration", "words"),
    [
        (_migration(migrations.AddIndex("registration", NEW)), "stops writers"),
        (_migration(migrations.RemoveIndex("registration", "elevate_registration_name")), "stops writers"),
        (_migration(AddIndexOnline("registration", NEW)), "is atomic"),
        (
            _migration(
                AddIndexOnline("registration", NEW), migrations.RemoveField("attempt", "note"), atomic=False
            ),
            "something else beside",
        ),
        (_migration(migrations.AddField("attempt", "more", models.CharField(max_length=9))), "for every row"),
        (
            _migration(migrations.AddField("attempt", "more", models.IntegerField(default=lambda: 7))),
            "for every row",
        ),
        (
            _migration(migrations.AddField("attempt", "more", models.IntegerField(null=True, db_index=True))),
            "an index or a constraint",
        ),
        (
            _migration(
                migrations.AddField(
                    "attempt",
                    "more",
                    models.ForeignKey("elevate_integration.ProductMapping", models.CASCADE, null=True),
                )
            ),
            "an index or a constraint",
        ),
        (
            _migration(migrations.AlterField("registration", "product_title", models.TextField(blank=True))),
            "write the whole table anew",
        ),
        (_migration(migrations.AddConstraint("registration", UNIQUE)), "reads the whole table"),
        (_migration(migrations.RenameField("registration", "email", "mail")), "breaks the code"),
        (_migration(migrations.RenameModel("Registration", "Enrolment")), "breaks the code"),
        (_migration(migrations.RunPython(_nothing, _nothing)), "the work of a command"),
        (_migration(migrations.RunSQL("SELECT 1")), "cannot be taken back"),
        (
            _migration(migrations.SeparateDatabaseAndState([migrations.AddIndex("registration", NEW)])),
            "stops writers",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value.operations[0].describe(),
)
def test_a_migration_that_a_store_would_feel_is_refused(migration, words, loader):
    assert any(words in fault for fault in faults(migration, loader.project_state()))


def test_every_table_that_is_called_big_is_one():
    assert {model._meta.model_name for model in MODELS} >= BIG
