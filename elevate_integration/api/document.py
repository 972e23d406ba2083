"""How drf-spectacular writes the document of this API. Plain values: settings files may take them over."""

from __future__ import annotations

from typing import Any

from elevate_integration import __version__

# Also for `manage.py spectacular --custom-settings elevate_integration.api.document.SETTINGS`.
SETTINGS: dict[str, Any] = {
    "TITLE": "Elevate registrations",
    "DESCRIPTION": "Registrations of members at the Elevate LMS. Errors are problem details (RFC 9457).",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.1",
    "PREPROCESSING_HOOKS": ["elevate_integration.api.schema.only_ours"],
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_NO_READ_ONLY_REQUIRED": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "CourseStateEnum": "elevate_integration.api.serializers.COURSE_STATES",
        "ConditionEnum": "elevate_integration.api.serializers.CONDITIONS",
    },
}
