"""Studies: what a page says of many networks."""
