"""The estimator: what users call, and what is saved."""
