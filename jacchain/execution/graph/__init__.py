"""Programs of branching graphs: nodes with several inputs, paths that meet, several results."""
