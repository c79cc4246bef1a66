"""Benchmarks: each module measures one thing, side by side with a peer or a floor, and writes one JSON."""
