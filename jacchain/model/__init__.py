"""What a user writes: layers, and their composition."""
