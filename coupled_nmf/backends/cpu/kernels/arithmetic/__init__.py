"""Products and stored rows, by address, compiled."""
