"""One picture an answer: what was measured in, a matplotlib figure out."""
