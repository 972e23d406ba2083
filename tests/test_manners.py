"""Hosts with habits of their own, each as a project and a process of its own: nothing of theirs has to change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from elevate_integration.testing import FakeElevate
from tests.host import ROOT, SHOP, Host


@pytest.fixture
def fake() -> Iterator[FakeElevate]:
    with FakeElevate(products=("ABCD1234",)) as elevate:
        yield elevate


@pytest.fixture
def host(tmp_path: Path, fake: FakeElevate) -> Host:
    return Host(tmp_path, environment={"FAKE_ELEVATE_URL": fake.url})


CHICAGO = 'USE_TZ = False\nTIME_ZONE = "America/Chicago"\n'


def test_a_host_without_time_zones_registers_and_its_due_times_are_right(host, fake):
    just_now = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    host.settings = CHICAGO + f'ELEVATE.update(GO_LIVE="{just_now}", RETRY_FIRST=600.0)\n'
    fake.fail("status", status=503)
    found = host.run(
        SHOP
        + """
def seconds(moment):
    assert timezone.is_naive(moment)
    return (moment - datetime.now()).total_seconds()

sell()
found["mark due in"] = seconds(OrderMark.objects.earliest("due_at").due_at)
found["calls"] = [deliver(), deliver()]
row = Registration.objects.get()
found["repeat due in"] = seconds(row.due_at)
row.due_at = datetime.now()
row.save()
found["calls"].append(deliver())
row.refresh_from_db()
found["status"], found["registered in"] = row.status, seconds(row.registered_at)
"""
    )
    assert abs(found["mark due in"]) < 30
    assert found["calls"] == [1, 0, 1]
    assert 400 < found["repeat due in"] < 730
    assert found["status"] == "registered"
    assert abs(found["registered in"]) < 30
    assert [held.amount_paid for held in fake.live()] == ["120.00"]


def test_a_host_without_time_zones_keeps_older_orders_out(host, fake):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    host.settings = CHICAGO + f'ELEVATE.update(GO_LIVE="{soon}")\n'
    found = host.run(SHOP + 'sell(); deliver(); found["rows"] = Registration.objects.count()')
    assert found["rows"] == 0
    assert not fake.calls


def test_a_host_without_time_zones_sweeps_what_no_signal_told(host, fake):
    host.settings = CHICAGO
    found = host.run(
        SHOP
        + """
invoice = sell(); deliver(); Worker().run_once()
Invoice.objects.filter(pk=invoice.pk).update(state="refunded", touched=datetime.now())
from elevate_integration.delivery.sweep import sweep
swept = sweep(); deliver()
found["swept"], found["status"] = swept.cancelled, Registration.objects.get().status
"""
    )
    assert found == {"swept": 1, "status": "cancelled"}
    assert not fake.live()


@pytest.mark.parametrize("field", ["AutoField", "BigAutoField"])
def test_the_hosts_auto_field_asks_for_no_migration_of_ours(host, field):
    host.settings = f'DEFAULT_AUTO_FIELD = "django.db.models.{field}"\n'
    ended = host.manage("makemigrations", "--check", "--dry-run", "elevate_integration")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "No changes detected" in ended.stdout


PERSON = """
import uuid
from django.contrib.auth.models import AbstractUser
from django.db import models

class Person(AbstractUser):
    key = models.{field}
"""
ADMIN = """
INSTALLED_APPS += ["django.contrib.admin", "django.contrib.sessions", "django.contrib.messages", "people"]
AUTH_USER_MODEL = "people.Person"
ROOT_URLCONF = "host_urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("UUIDField(primary_key=True, default=uuid.uuid4)", "6f0d2b1e-0000-4000-8000-00000000002a"),
        ("CharField(primary_key=True, max_length=20)", "M/0042 ü"),
    ],
)
def test_a_user_model_with_another_key_is_registered_and_works_in_the_admin(host, fake, field, key):
    host.write("people/__init__.py", "")
    host.write("people/models.py", PERSON.format(field=field))
    host.write(
        "host_urls.py",
        "from django.contrib import admin\nfrom django.urls import path\n"
        "urlpatterns = [path('admin/', admin.site.urls)]\n",
    )
    host.settings = ADMIN + 'ELEVATE["REMOTE_USER_ID"] = "key"\n'
    assert host.manage("makemigrations", "people").returncode == 0
    found = host.run(
        SHOP
        + f"""
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

person = get_user_model().objects.create_superuser("ada", "ada@example.org", "x", key={key!r})
sell(person_id=str(person.pk)); deliver()
client = Client()
client.force_login(person)
ours = [model for model in site._registry if model._meta.app_label == "elevate_integration"]
names = [f"admin:elevate_integration_{{model._meta.model_name}}_changelist" for model in ours]
found["pages"] = sorted({{client.get(reverse(name)).status_code for name in names}})
found["models"] = len(ours)
"""
    )
    assert [held.remote_user_id for held in fake.live()] == [key]
    assert found["models"] >= 3
    assert found["pages"] == [200]
    assert "elevate.E" not in host.manage("check").stderr


def test_a_host_without_any_setting_starts_sells_and_is_told(host, fake):
    host.settings = "del ELEVATE\n"
    found = host.run(SHOP + 'sell(); found["calls"] = Worker(threads=2).run_once()')
    assert found["calls"] == 0
    told = host.manage("check")
    assert told.returncode == 0
    assert "elevate.W001" in told.stderr


def test_a_host_with_a_broken_setting_starts_and_sells(host, fake):
    host.settings = 'ELEVATE["URRL"] = "https://learn.example.org"\n'
    found = host.run(SHOP + 'sell(); found["invoices"] = Invoice.objects.count()')
    assert found["invoices"] == 1


TWO = """
class Router:
    def db_for_read(self, model, **hints):
        return "second" if model._meta.app_label == "elevate_integration" else "default"
    db_for_write = db_for_read
    def allow_migrate(self, db, app_label, **hints):
        return (db == "second") == (app_label == "elevate_integration")

DATABASES["second"] = database("second")
DATABASE_ROUTERS = ["host_settings.Router"]
"""


def test_with_two_databases_a_mark_follows_the_hosts_commit_and_its_rollback(host, fake):
    host.settings = TWO
    found = host.run(
        SHOP
        + """
def marks():
    return OrderMark.objects.using("second").count()

with transaction.atomic():
    sell()
    found["before the commit"] = marks()
found["after the commit"] = marks() > 0
deliver()
try:
    with transaction.atomic():
        sell()
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
with transaction.atomic():
    try:
        with transaction.atomic():
            sell()
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
found["after the rollback"] = marks()
found["rows"] = Registration.objects.using("second").count()
"""
    )
    assert found == {"before the commit": 0, "after the commit": True, "after the rollback": 0, "rows": 1}
    assert len(fake.live()) == 1


def test_with_two_databases_a_refund_outside_a_transaction_cancels(host, fake):
    host.settings = TWO
    host.run(SHOP + 'invoice = sell(); deliver(); invoice.state = "refunded"; invoice.save(); deliver()')
    assert [held.cancelled for held in fake.registrations] == [True]


VIEWS = """
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from elevate_integration.models import OrderMark
from tests.plainshop.models import Invoice, Item

def checkout(request, ending):
    invoice = Invoice.objects.create(issued=timezone.now())
    for number in range(10):
        Item.objects.create(
            invoice=invoice, course="ETHICS", person_id=f"M-{number}", first_name="Ada", last_name="Sample",
            email=f"m{number}@example.org",
        )
    if ending == "fails":
        raise ZeroDivisionError
    return HttpResponse(OrderMark.objects.count())

urlpatterns = [path("<ending>", checkout)]
"""
REQUEST = """
from django.test import Client
client = Client(raise_request_exception=False)
"""


def test_with_atomic_requests_a_checkout_that_fails_leaves_nothing_and_one_that_works_one_mark(host, fake):
    host.write("host_urls.py", VIEWS)
    host.settings = 'ROOT_URLCONF = "host_urls"\nDATABASES["default"]["ATOMIC_REQUESTS"] = True\n'
    found = host.run(
        SHOP
        + REQUEST
        + """
found["failed"] = client.get("/fails").status_code
found["marks after a failure"] = OrderMark.objects.count()
found["marks of ten lines"] = client.get("/works").content.decode()
found["calls"] = deliver()
"""
    )
    assert found == {"failed": 500, "marks after a failure": 0, "marks of ten lines": "1", "calls": 10}
    assert len(fake.live()) == 10


@pytest.mark.parametrize("atomic", [True, False])
def test_the_default_dispatcher_delivers_after_the_request_from_its_own_thread(host, fake, atomic):
    host.write("host_urls.py", VIEWS)
    host.settings = f'ROOT_URLCONF = "host_urls"\nDATABASES["default"]["ATOMIC_REQUESTS"] = {atomic}\ndel ELEVATE["DISPATCHER"]\n'
    found = host.run(
        SHOP
        + REQUEST
        + """
import threading, time
client.get("/works")
ends = time.monotonic() + 30
while Registration.objects.filter(status="registered").count() < 10 and time.monotonic() < ends:
    time.sleep(0.02)
found["registered"] = Registration.objects.filter(status="registered").count()
found["thread"] = any(thread.name == "elevate-delivery" for thread in threading.enumerate())
"""
    )
    assert found == {"registered": 10, "thread": True}
    assert len(fake.live()) == 10


OWN_SITE = """
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig

class Office(AdminSite):
    site_header = "Office of the association"

class OfficeConfig(AdminConfig):
    default_site = "office.Office"
"""


def test_a_host_with_an_admin_site_of_its_own_shows_our_pages_there(host, fake):
    host.write("office.py", OWN_SITE)
    host.write(
        "host_urls.py",
        "from django.contrib import admin\nfrom django.urls import path\n"
        "from office import Office\nfrom elevate_integration.admin import register\n"
        "second = Office(name='second')\nregister(second)\n"
        "urlpatterns = [path('admin/', admin.site.urls), path('second/', second.urls)]\n",
    )
    own = ADMIN.replace('"django.contrib.admin"', '"office.OfficeConfig"')
    host.settings = own.replace(', "people"]', "]").replace('AUTH_USER_MODEL = "people.Person"\n', "")
    found = host.run(
        SHOP
        + """
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

sell(); deliver()
client = Client()
client.force_login(User.objects.create_superuser("ada", "ada@example.org", "x"))
names = ("productmapping", "registration", "unmappedsale")
for site in ("admin", "second"):
    pages = [client.get(reverse(f"admin:elevate_integration_{name}_changelist", current_app=site)) for name in names]
    found[site] = [(page.status_code, b"Office of the association" in page.content) for page in pages]
    found[site + " path"] = reverse("admin:elevate_integration_registration_changelist", current_app=site)
"""
    )
    assert found["admin"] == found["second"] == [[200, True]] * 3
    assert (found["admin path"], found["second path"]) == (
        "/admin/elevate_integration/registration/",
        "/second/elevate_integration/registration/",
    )


# The database stays between the commands, as a site's does.
KEPT = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "kept.sqlite3"}}\n'
UNINSTALLED = """
del ELEVATE
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "elevate_integration"]
"""


def test_uninstalled_the_data_stays_the_shop_sells_and_nothing_imports_the_package(host):
    def run(script: str) -> list[str]:
        ended = host.manage("shell", "-c", script)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.splitlines()

    sale = (
        "from django.utils import timezone; from tests.plainshop.models import Invoice; "
        "Invoice.objects.create(issued=timezone.now())"
    )
    host.settings = KEPT
    assert host.manage("migrate").returncode == 0
    run(sale)
    host.settings = KEPT + UNINSTALLED
    assert host.manage("check", "--fail-level", "WARNING").returncode == 0
    assert host.manage("migrate", "--check").returncode == 0
    run(sale)
    imported = "import sys; print([name for name in sys.modules if name.startswith('elevate_integration')])"
    assert run(imported)[-1] == "[]"
    with closing(sqlite3.connect(host.folder / "kept.sqlite3")) as kept:
        assert kept.execute("SELECT COUNT(*) FROM elevate_integration_ordermark").fetchone() == (1,)
    host.settings = KEPT
    assert host.manage("migrate", "--check").returncode == 0


OURS = '"elevate_integration": "ours"'


def own_migrations(host: Host, *later: str) -> None:
    """Let the host keep our migrations in a package of its own: a copy of ours, and what is given after it."""
    host.write("ours/__init__.py", "")
    first = ROOT / "elevate_integration" / "migrations" / "0001_initial.py"
    host.write("ours/0001_initial.py", first.read_text(encoding="utf-8"))
    for number, operations in enumerate(later, start=2):
        host.write(
            f"ours/000{number}_more.py",
            "from django.db import migrations\n\nclass Migration(migrations.Migration):\n"
            f"    dependencies = [('elevate_integration', '000{number - 1}_{'initial' if number == 2 else 'more'}')]\n"
            f"    operations = [{operations}]\n",
        )


def test_our_migrations_can_be_squashed_and_the_squashed_one_registers(host, fake):
    # Squashing needs no server, and the servers' test databases come later.
    host.environment["TEST_DATABASE_URL"] = ""
    own_migrations(host, "migrations.AlterModelOptions('ordermark', {'verbose_name': 'a mark'})")
    host.settings = f"MIGRATION_MODULES = {{{OURS}}}\n"
    squashed = host.manage("squashmigrations", "elevate_integration", "0002", "--no-input", "--no-header")
    assert squashed.returncode == 0, squashed.stdout + squashed.stderr
    (made,) = (host.folder / "ours").glob("0001_squashed_*.py")
    assert "RunPython" not in made.read_text(encoding="utf-8")
    for replaced in ("0001_initial.py", "0002_more.py"):
        (host.folder / "ours" / replaced).unlink()
    found = host.run(
        SHOP + 'sell(); deliver(); found["rows"] = list(Registration.objects.values_list("status"))'
    )
    assert found["rows"] == [["registered"]]


def test_a_host_that_keeps_our_migrations_itself_or_has_none_registers(host, fake):
    script = SHOP + 'sell(); deliver(); found["rows"] = list(Registration.objects.values_list("status"))'
    own_migrations(host)
    for modules in (OURS, '"elevate_integration": None'):
        host.settings = f"MIGRATION_MODULES = {{{modules}}}\n"
        assert host.run(script)["rows"] == [["registered"]]


def test_a_host_whose_tables_are_there_already_fakes_our_migration(host):
    host.settings = KEPT + 'MIGRATION_MODULES = {"elevate_integration": None}\n'
    assert host.manage("migrate", "--run-syncdb").returncode == 0
    host.settings = KEPT
    assert host.manage("migrate", "--check").returncode != 0
    faked = host.manage("migrate", "elevate_integration", "--fake-initial")
    assert faked.returncode == 0, faked.stdout + faked.stderr
    assert "FAKED" in faked.stdout
    assert host.manage("migrate", "--check").returncode == 0
