"""Each backend's tests run somewhere, those of one that is new as well."""

import numpy as np
from places import backend_of, places

from coupled_nmf import CoupledNMF
from coupled_nmf.backends import choice
from coupled_nmf.data.checks import read_X
from coupled_nmf.fit.session import Place, open_session


def names_of(found):
    return [getattr(place, "values", (place,))[0] for place in found]


def test_the_tests_that_run_on_every_backend_run_on_a_new_one(monkeypatch):
    before = places()
    monkeypatch.setitem(choice.BACKENDS, "third", choice.BACKENDS["numpy"])
    assert names_of(places()) == [*names_of(before), "third"]
    assert [backend_of(name) for name in ("cpu", "emulated", "gpu", "third")] == ["numpy", "cupy", "cupy", "third"]
    assert {backend_of(name) for name in names_of(places())} == set(choice.BACKENDS) - {"dask"}
    monkeypatch.setenv("PLACES", "cluster")
    assert names_of(places()) == ["cluster"], "of a cluster's they run where they are asked to"
    assert backend_of("cluster") == "dask"


def test_a_backend_is_opened_by_its_line(monkeypatch):
    opened = []

    def third(*arguments):
        opened.append(arguments[1:])
        return choice.BACKENDS["numpy"](*arguments)

    monkeypatch.setitem(choice.BACKENDS, "third", third)
    X = read_X(CoupledNMF(2), np.ones((30, 5)), reset=True)
    with open_session(X, Place("third", "full", 1), 2, "frobenius") as found:
        assert found.problem.n_samples == 30
    assert opened == [(2, "full", 1)]
