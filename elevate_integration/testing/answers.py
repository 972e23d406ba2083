"""An answer before it is sent, so that a fault can still spoil it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """A status and `data`: bytes and text are sent as they are, anything else as JSON."""

    status: int = 200
    data: Any = ""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        if isinstance(self.data, bytes):
            return self.data
        if isinstance(self.data, str):
            return self.data.encode("utf-8", "replace")
        return json.dumps(self.data).encode("ascii")

    def media_type(self) -> str:
        if self.content_type:
            return self.content_type
        return "text/plain; charset=utf-8" if isinstance(self.data, str | bytes) else "application/json"


def refusal(messages: Mapping[str, str], *, status: int) -> Answer:
    """The documented shape of a failure."""
    return Answer(status, {"error_messages": dict(messages)})
