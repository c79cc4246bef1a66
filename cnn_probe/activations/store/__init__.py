"""Where recorded rows are kept until they are factored: on disk, or in memory and on a GPU; one interface."""

from cnn_probe.activations.store.disk import Store
from cnn_probe.activations.store.finished import open_store
from cnn_probe.activations.store.kept import Kept, RowStore, bytes_needed, kept_arrays
from cnn_probe.activations.store.memory import Memory
from cnn_probe.activations.store.part import StorePart, WrittenPart
from cnn_probe.activations.store.shifted import Shifted

__all__ = [
    "Kept",
    "Memory",
    "RowStore",
    "Shifted",
    "Store",
    "StorePart",
    "WrittenPart",
    "bytes_needed",
    "kept_arrays",
    "open_store",
]
