"""The verdicts that a page begins with: cards, each a question with its answer."""
