"""What several measures count with: rows read in pieces, chance, groups of columns that are alike."""
