"""What is to be solved, whatever solves it: X with what one look at it found, and what both sides promise."""
