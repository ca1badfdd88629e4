"""Blocks of Jacobians: ready-made matrices between named variables, composed without any function."""
