"""A network and images in, one coupled factorization out."""
