"""What a local Jacobian is: structures, matrices, and the table of their products."""
