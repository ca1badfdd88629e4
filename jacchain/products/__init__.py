"""Other products of a composition's local Jacobians than its Jacobian: several at once, JᵀJ, and J as factors."""
