"""The REST API: a door like the admin. Asks for a permission, calls one function below, answers JSON.

Needs the extra `api` (django-filter, drf-spectacular); nothing else in the package looks in here.
"""
