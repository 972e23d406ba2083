"""Lets the tests import what writes the reference, as the site does. It needs no Sphinx for that."""

from __future__ import annotations

import sys

from tests.docs.blocks import ROOT

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
