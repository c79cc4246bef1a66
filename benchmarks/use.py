"""What coupling costs, and what training does to the errors: scikit-learn's digits, the paper's network, rank 10.

Relative errors of each block of the test images' factorization, three training seeds, 20 epochs: coupled; of a separate
factorization of the block alone; the least of this rank (SVD); k-means with as many centres; and coupled of the same
network before it was trained. Effective ranks are as Roy and Vetterli define them. Each is the median with its range.
"""

from benchmarks.workload import spread
from cnn_probe import TrainingPlan, build_network, load_dataset, train
from cnn_probe.measures.use import network_use
from cnn_probe.probing.recording import prepare, record
from coupled_nmf import CoupledNMF

SEEDS, RANK, EPOCHS = (0, 1, 2), 10, 20
COLUMNS = {
    "coupled": "relative error",
    "separate": "separate NMF",
    "SVD": "SVD floor",
    "k-means": "k-means",
    "effective rank": "effective rank",
}


def measure():
    data, found = load_dataset("digits"), {}
    for seed in SEEDS:
        network = build_network(data.in_channels, data.image_size, data.n_classes, seed)
        untrained = used(network, data, seed)
        train(network, data.train, TrainingPlan(epochs=EPOCHS, seed=seed))
        trained = used(network, data, seed)
        for row, block in enumerate(trained["block"]):
            own = found.setdefault(block, {})
            for name, column in COLUMNS.items():
                own.setdefault(name, []).append(trained[column][row])
                own.setdefault(f"{name}, untrained", []).append(untrained[column][row])
    figures = {block: {name: spread(values) for name, values in own.items()} for block, own in found.items()}
    print(figures, flush=True)
    return figures


def used(network, data, seed):
    """How much of a network is used, as a table."""
    X = record(prepare(network, data.test, layers=network.paper_layers, pool="whole")).X
    model = CoupledNMF(RANK, random_state=seed)
    return network_use(X, model, model.fit_transform(X), random_state=seed).table()
