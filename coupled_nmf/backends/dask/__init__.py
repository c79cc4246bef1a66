"""A cluster: each worker sweeps its own rows of X, and only sums as wide as X travel."""
