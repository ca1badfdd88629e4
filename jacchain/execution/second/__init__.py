"""Programs of second order: curvatures, symmetric products, and blocks put in their places."""
