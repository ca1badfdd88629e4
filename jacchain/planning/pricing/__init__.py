"""What steps of plans take in seconds on a machine, predicted from rates that were measured there."""
