"""Which inputs share a pattern, and how patterns align with concepts."""

from cnn_probe.measures.patterns.concepts import Alignment, Overlap, align, overlap
from cnn_probe.measures.patterns.sharing import Patterns, WithLabels, shared_patterns

__all__ = ["Alignment", "Overlap", "Patterns", "WithLabels", "align", "overlap", "shared_patterns"]
