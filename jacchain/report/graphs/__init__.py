"""What people read of plans for branching graphs."""
