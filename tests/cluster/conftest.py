"""Two workers in the process of the tests, for those that need no others."""

import pytest
from clusters import SIZES, K, N, cluster_of

from coupled_nmf import make_coupled_blocks

KILLED = ["ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"]  # of workers that are killed


def pytest_collection_modifyitems(items):
    for item in items:
        for warning in ["ignore::sklearn.exceptions.ConvergenceWarning", *KILLED]:
            item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="module", autouse=True)
def client():
    distributed = pytest.importorskip("distributed")
    with cluster_of(2, processes=False) as cluster, distributed.Client(cluster) as opened:
        yield opened


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(N, SIZES, K, noise=0.2, random_state=0)[0]
