"""Reports of plans of second order."""
