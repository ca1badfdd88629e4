"""Derivatives of plain functions: traced once, planned, and run without calling the function again."""
