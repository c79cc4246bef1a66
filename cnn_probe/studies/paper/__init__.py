"""The three case studies of the paper."""
