"""The ready source for django-oscar inside a real Oscar shop.

Run in an environment with the extra `oscar`: `pytest -c tests/hosts/oscar/pytest.ini tests/hosts/oscar`.
"""

from __future__ import annotations
