"""Hessians of plain functions and of compositions, and their products with vectors."""
