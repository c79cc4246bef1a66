"""How the factors move for the Frobenius loss: F by one of several routes over X, H by ranges of its columns."""
