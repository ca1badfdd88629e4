"""Functions of few numbers, number by number: straight-line programs for one point, and for many at once."""
