"""Tests of the ready-made order sources that need no shop of others."""
