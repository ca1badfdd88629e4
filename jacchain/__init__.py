"""Finds the cheapest order in which to accumulate a Jacobian, and runs it."""

__version__ = "0.1.0"
