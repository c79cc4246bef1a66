"""What a result is asked: counted of activations and factors, or tried on the running network."""
