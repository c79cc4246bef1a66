"""From a network and data to a fitted factorization: planned, recorded, fitted, saved."""
