"""Planning of second order: Hessians of chains and of graphs."""
