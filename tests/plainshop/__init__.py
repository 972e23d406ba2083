"""A host of another shape than the example project: integer keys, lines after the order, autocommit, no user."""
