"""All answers of a result, and how they are asked for."""
