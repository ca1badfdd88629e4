"""What expressions are made of: maps of arrays with an explicit structured local Jacobian for each input."""
