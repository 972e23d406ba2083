"""Doors for members and buyers. Thin: each view asks, calls one function below, and answers."""
