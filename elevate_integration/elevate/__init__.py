"""The wire: everything that knows Elevate's JSON, and nothing of Django's models."""
