"""What the paper has not: networks beside which its measures can be seen to mean something, or not."""
