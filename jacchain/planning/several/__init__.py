"""Several products of one chain, JᵀJ, and factored Jacobians."""
