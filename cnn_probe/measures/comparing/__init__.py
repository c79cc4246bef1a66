"""Factors held against others: of another network, of both networks at once, of other starts and halves."""
