"""The OpenAPI document: valid, without warnings, of this API only, and shown in the demo without another server."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.host import Host

HOST = """
INSTALLED_APPS += ["django.contrib.sessions", "rest_framework"]
ROOT_URLCONF = "host_urls"
"""
URLS = """
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

class Theirs(APIView):
    def get(self, request):
        return Response({})

urlpatterns = [path("theirs/", Theirs.as_view()), path("rest/", include("elevate_integration.api.urls"))]
"""


def test_the_document_is_valid_and_made_without_a_warning(tmp_path):
    target = tmp_path / "schema.json"
    call_command("spectacular", validate=True, fail_on_warn=True, format="openapi-json", file=str(target))
    document = json.loads(target.read_text(encoding="utf-8"))
    assert document["openapi"] == "3.1.1"
    assert document == json.loads(APIClient().get("/api/schema/").content)


def test_every_operation_states_its_permission_and_its_problems():
    document = json.loads(APIClient().get("/api/schema/").content)
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) == 13
    for operation in operations:
        assert "Needs " in operation["description"] or operation["operationId"].startswith("me_")
        assert {"401", "403", "406", "429"} <= operation["responses"].keys()
        assert list(operation["responses"]["401"]["content"]) == ["application/problem+json"]
        assert operation["security"]


def test_the_demo_shows_the_document_with_files_of_its_own(client):
    page = client.get("/api/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/" in page
    assert "cdn" not in page


def test_a_host_with_a_format_and_endpoints_of_its_own_gets_the_same_document(tmp_path):
    host = Host(tmp_path, HOST)
    host.write("host_urls.py", URLS)
    found = host.run(
        "from rest_framework.test import APIClient\n"
        "answer = APIClient().get('/rest/schema/')\n"
        "found['paths'] = sorted(answer.json()['paths'])\n"
        "found['status'] = APIClient().get('/rest/v1/health/').status_code\n"
    )
    ours = json.loads(APIClient().get("/api/schema/").content)["paths"]
    assert found["paths"] == sorted(path.replace("/api/", "/rest/", 1) for path in ours)
    # Its first way to log in is the session, which has no challenge.
    assert found["status"] == 403


@pytest.mark.parametrize("missing", ["django_filters", "drf_spectacular"])
def test_without_the_extra_the_addresses_say_what_to_install_and_the_rest_works(tmp_path, missing):
    host = Host(tmp_path, HOST)
    # As if it were not installed.
    host.write("sitecustomize.py", f"import sys\nsys.modules['{missing}'] = None\n")
    host.write("host_urls.py", "urlpatterns = []")
    assert host.manage("check").returncode == 0
    host.write("host_urls.py", URLS)
    ended = host.manage("check")
    assert ended.returncode != 0
    assert f"elevate_integration.api.urls needs {missing}" in ended.stderr
    assert "django-elevate-integration[api]" in ended.stderr
