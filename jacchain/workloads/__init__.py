"""Built-in problems with real or seeded data."""
