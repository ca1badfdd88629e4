"""Derivatives of compositions at many points at once."""
