"""Orders of the least predicted time rather than of the fewest multiplications."""
