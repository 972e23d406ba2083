"""The suite's settings for a process of its own, on the database of the test that starts it."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES
from tests.settings import ELEVATE as _ELEVATE

DATABASES["default"]["NAME"] = os.environ["ELEVATE_TEST_NAME"]
ELEVATE = {**_ELEVATE, "WATCH": ["prometheus"]}
