"""Orders for branching graphs: vertices and edges are eliminated until only what is requested is left."""
