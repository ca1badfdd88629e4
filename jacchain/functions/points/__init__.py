"""Derivatives of functions at many points: as many at a time as the cache holds, or the memory allows."""
