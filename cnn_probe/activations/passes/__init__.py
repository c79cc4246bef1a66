"""What a forward pass puts out: which outputs there are, which are meant, and hooks that hear and change them."""
