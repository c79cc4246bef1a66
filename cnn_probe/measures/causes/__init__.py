"""What a factor causes: taken out of a layer of the running network, or followed through a linear head."""
