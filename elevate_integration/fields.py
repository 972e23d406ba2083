"""A kind of column that several of our tables share. Knows no table."""

from __future__ import annotations

from typing import Any

from django.db import models


class ReferenceField(models.CharField):
    """Text that names something elsewhere and is compared to the letter on every database.

    MySQL and MariaDB would otherwise take `a1`, `A1` and `á1` for the same order.
    """

    def db_parameters(self, connection: Any) -> Any:
        """Ask MySQL and MariaDB for a binary collation."""
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters
