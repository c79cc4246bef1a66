"""Images as plain tensors, from wherever they come."""
