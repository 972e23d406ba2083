"""Forgetting: with time, on request, and what follows afterwards."""
