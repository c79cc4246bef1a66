"""What can be counted of activations and factors."""
