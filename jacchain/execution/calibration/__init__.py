"""Measuring the rates of a machine."""
