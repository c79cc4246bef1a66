"""Which inputs share a pattern, which units patterns use alike, and how they align with concepts."""

from cnn_probe.measures.patterns.component_groups import ComponentGroups, component_groups
from cnn_probe.measures.patterns.concepts import Alignment, Overlap, align, overlap
from cnn_probe.measures.patterns.sharing import Patterns, WithLabels, shared_patterns

__all__ = [
    "Alignment",
    "ComponentGroups",
    "Overlap",
    "Patterns",
    "WithLabels",
    "align",
    "component_groups",
    "overlap",
    "shared_patterns",
]
