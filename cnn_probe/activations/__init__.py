"""What layers put out: which there are, caught by hooks, handed over to the estimator."""
