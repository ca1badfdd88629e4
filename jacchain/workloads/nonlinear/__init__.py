"""Nonlinear programs with known optima, written as NumPy functions."""
