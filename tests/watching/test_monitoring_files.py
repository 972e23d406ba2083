"""The dashboard and the alerts ask for what there is: metrics, labels and their values, all held against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram

from elevate_integration.lifecycle import Operation, Outcome, Status
from elevate_integration.watching import prometheus

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((DOCS / "monitoring" / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = DASHBOARD["panels"]

# What PromQL brings along, as far as these files use it.
WORDS = {
    "max", "sum", "by", "rate", "increase", "histogram_quantile", "absent", "time", "le",
}  # fmt: skip
DATABASE = set(prometheus.READ)


def labels() -> dict[str, set[str]]:
    """Give every series that Prometheus gets from us, with its labels."""
    found: dict[str, set[str]] = {name: {label} - {""} for name, (label, _) in prometheus.READ.items()}
    for metric in prometheus.MEASURED:
        own = set(metric._labelnames)
        if isinstance(metric, Histogram):
            found |= {f"{metric._name}_{end}": own for end in ("sum", "count")}
            found[f"{metric._name}_bucket"] = own | {"le"}
        else:
            found[f"{metric._name}_total"] = own
    return found


SERIES = labels()
VALUES = {
    "condition": set(prometheus.CONDITIONS),
    "status": {str(status) for status in Status},
    "operation": {str(operation) for operation in Operation},
    "outcome": {str(outcome) for outcome in Outcome},
    "result": {"ok", "failed", "written", "unchanged", "skipped"},
}

QUERIES = [
    *((rule["alert"], rule["expr"]) for rule in RULES),
    *((panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]),
]


def read(query: str) -> tuple[set[str], set[str], list[tuple[str, str]]]:
    """Give the metrics, the labels and the selected values of a query; nothing else may stand in it."""
    selected = [
        (label, value)
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', query)
        for value in values.split("|")
    ]
    bare = re.sub(r"\{[^}]*\}", "", query)
    grouped = {name for names in re.findall(r"by \(([^)]*)\)", bare) for name in re.split(r",\s*", names)}
    bare = re.sub(r"by \([^)]*\)", "by", bare)
    bare = re.sub(r"\[(?:\d+[smhd]|\$__rate_interval)\]", "", bare)
    names = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - WORDS
    left = re.sub(r"[a-zA-Z_:][a-zA-Z0-9_:]*|\d+(?:\.\d+)?|==|[-()*,>\s]", "", bare)
    assert left == "", f"not understood: {left!r}"
    return names, grouped | {label for label, _ in selected}, selected


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[f"{n}: {q}"[:90] for n, q in QUERIES])
def test_a_query_names_only_metrics_and_labels_that_exist(name, query):
    metrics, used, selected = read(query)
    assert metrics
    assert metrics <= SERIES.keys()
    assert used <= set.union(*(SERIES[metric] for metric in metrics))
    assert [(label, value) for label, value in selected if value not in VALUES[label]] == []
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize("query", ["max(elevate_gone) > 0", "max by (colour) (elevate_due_calls)"])
def test_a_query_of_something_else_is_found(query):
    with pytest.raises(AssertionError):
        test_a_query_names_only_metrics_and_labels_that_exist("x", query)


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[f"{n}: {q}"[:90] for n, q in QUERIES])
def test_what_is_read_from_the_database_is_never_added_up_over_processes(name, query):
    for metric in read(query)[0] & DATABASE:
        inner = re.search(rf"(\w+)(?: by \([^)]*\))? ?\({metric}\b", query)
        assert inner is not None
        assert inner[1] in ("max", "absent")


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[f"{n}: {q}"[:90] for n, q in QUERIES])
def test_counters_and_histograms_are_asked_for_their_rate(name, query):
    for metric in read(query)[0] - DATABASE:
        assert re.search(rf"(rate|increase)\({metric}[^\[]*\[", query)


def test_the_dashboard_shows_every_metric():
    shown = {metric for _, query in QUERIES[len(RULES) :] for metric in read(query)[0]}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in SERIES}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == families


def test_every_condition_in_which_nothing_is_delivered_has_an_alert():
    chosen = {value for rule in RULES for label, value in read(rule["expr"])[2] if label == "condition"}
    assert chosen == set(prometheus.CONDITIONS) - {"running"}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]):
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))


def test_names_of_alerts_and_numbers_of_panels_are_there_once():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_the_dashboard_asks_for_its_data_source_and_names_no_other():
    assert [one["name"] for one in DASHBOARD["__inputs"]] == ["DS_PROMETHEUS"]
    sources = {json.dumps(panel["datasource"]) for panel in PANELS}
    sources |= {json.dumps(target["datasource"]) for panel in PANELS for target in panel["targets"]}
    assert [json.loads(one)["uid"] for one in sources] == ["${DS_PROMETHEUS}"]
    assert DASHBOARD["id"] is None


def test_panels_lie_side_by_side_on_the_grid_and_not_on_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells


def test_every_panel_says_what_it_shows():
    assert [panel["title"] for panel in PANELS if not panel["description"].endswith(".")] == []


def test_the_page_lists_every_metric_with_its_labels_and_meaning():
    page = (DOCS / "watching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(elevate_\w+)` \| ([^|]*)\| ([^|]+) \|$", page, re.MULTILINE)
    told = {name: (set(re.findall(r"`(\w+)`", names)), meaning) for name, names, meaning in rows}
    code = {name: ({label} - {""}, text) for name, (label, text) in prometheus.READ.items()}
    for metric in prometheus.MEASURED:
        name = metric._name if isinstance(metric, Histogram) else f"{metric._name}_total"
        code[name] = (set(metric._labelnames), metric._documentation)
    assert told == code
