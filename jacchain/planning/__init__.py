"""From a graph of links to a plan: the search over orders. Sizes, structures and costs only; no arrays."""
