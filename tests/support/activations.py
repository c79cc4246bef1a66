"""What a network's layers put out, as `probe` records it."""

import warnings

from cnn_probe.probing.recording import prepare, record


def activations_of(network, data, layers=None, *, pool="whole", progress=None, store=None, **how):
    """Rows of each block of the layers, by name; the pictures are left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The network returns")  # no scores: nothing is asked of them here
        X = record(
            prepare(network, data, layers=layers, pool=pool, inputs=False, **how), store=store, progress=progress
        ).X
    return {name: X[name] for name in X.names}
