"""Networks: the paper's, how one is trained, and the state that any runs in."""
