"""The REST API, from its OpenAPI document."""

from __future__ import annotations

from typing import Any

from elevate_docs.tables import table

ERROR = "`Problem`"


def document() -> dict[str, Any]:
    """Make the OpenAPI document of the API."""
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.settings import patched_settings

    from elevate_integration.api import document as ours

    with patched_settings(ours.SETTINGS):
        made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def text() -> str:
    """Write a section for each operation, and one for each shape that they take or give."""
    made = document()
    operations = [
        _operation(made, method.upper(), path, one)
        for path, methods in made["paths"].items()
        for method, one in methods.items()
    ]
    shapes = [_shape(name, one) for name, one in made["components"]["schemas"].items() if "properties" in one]
    return "\n".join([*operations, "## Shapes\n", *shapes])


def _operation(made: dict[str, Any], method: str, path: str, one: dict[str, Any]) -> str:
    parts = [f"## {method} {path}", one.get("description", "")]
    taken = [
        (f"`{given['name']}`", given["in"], _type(given["schema"]), given.get("description", ""))
        for given in one.get("parameters", ())
    ]
    if taken:
        parts.append(table(("Parameter", "In", "Type", "Meaning"), taken))
    if "requestBody" in one:
        parts.append(f"Takes {_content(one['requestBody'])}.")
    answers = {status: _content(answer) for status, answer in sorted(one["responses"].items())}
    good = [
        f"`{status}` with {body}" if body else f"`{status}`"
        for status, body in answers.items()
        if body != ERROR
    ]
    bad = [f"`{status}`" for status, body in answers.items() if body == ERROR]
    parts.append(f"Answers {', '.join(good)}. Errors, as {ERROR}: {', '.join(bad)}.")
    return "\n\n".join(part for part in parts if part)


def _content(answer: dict[str, Any]) -> str:
    for body in answer.get("content", {}).values():
        return _type(body.get("schema", {}))
    return ""


def _shape(name: str, one: dict[str, Any]) -> str:
    needed = set(one.get("required", ()))
    rows = [
        (f"`{field}`", _type(kind), "yes" if field in needed else "", kind.get("description", ""))
        for field, kind in one["properties"].items()
    ]
    return f"### {name}\n\n{one.get('description', '')}\n\n" + table(
        ("Field", "Type", "Always", "Meaning"), rows
    )


def _type(schema: dict[str, Any]) -> str:
    """Name a JSON schema in few words."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    for word in ("allOf", "oneOf", "anyOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[word]))
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kinds = schema.get("type", "anything")
    named = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{named} ({schema['format']})" if "format" in schema else named
