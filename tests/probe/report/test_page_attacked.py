"""What attacks on pages and findings found: each was a fault."""

from types import SimpleNamespace

import numpy as np
import pytest
from large_page import large_document
from made_pages import answers
from pages import unpacked

from cnn_probe.report.document.fitting import fitted
from cnn_probe.report.document.of_result import result_part
from cnn_probe.report.document.packing import as_file, as_script, from_file
from cnn_probe.studies.findings.sentence import finding


@pytest.mark.parametrize("name", ["$array", "$$array", "__proto__", "heap"])
def test_no_name_passes_for_an_array(name):
    document = {"skipped": {name: "why"}, "values": np.arange(3, dtype=np.int32)}
    for found in (from_file(as_file(document)), unpacked(as_script(document))):
        assert found["skipped"] == {name: "why"}
        assert found["values"].tolist() == [0, 1, 2]


def test_without_images_no_map_is_of_a_single_input():
    found = answers(2)
    assert result_part(found)["factors"]["heat"] is not None
    assert result_part(found, images=False)["factors"]["heat"] is None


def test_numbers_alone_do_not_shrink_pictures_and_what_stays_too_large_is_said():
    document = large_document(n=200, layers=4)
    size = len(as_script(fitted(document)).encode())
    assert not fitted(document, size + 300_000)["about"]["notes"]
    assert "larger than 0 MB all the same" in fitted(document, 50_000)["about"]["notes"][-1]


def _network(accuracy, rmse, seed=0):
    fits = {5: SimpleNamespace(rmse=rmse)}
    training = {"plan": {"seed": seed}}
    return SimpleNamespace(
        accuracy=accuracy, fits=fits, layers=("relu",), training=training, meant_to_learn=True, learned_little=False
    )


def test_networks_that_are_equally_good_say_nothing():
    tied = {"untrained": {"no": [_network(0.1, 1), _network(0.1, 1)], "all": [_network(0.1, 2), _network(0.1, 2)]}}
    assert finding(tied, 5, [], [])[1] == []
    tied["untrained"]["all"][1].accuracy = 0.9
    (one,) = finding(tied, 5, [], [])[1]
    assert one.speaks_for
    assert "1 of 1 pairs" in one.text


def test_equal_errors_are_no_agreement_whichever_comes_first():
    for order in (1, -1):
        runs = [("a", [_network(0.8, 1)]), ("b", [_network(0.9, 1)])][::order]
        (one,) = finding({"epochs": dict(runs)}, 5, [], [])[1]
        assert "0 of 1 pairs" in one.text
        assert not one.speaks_for


def test_a_control_that_fails_in_one_seed_says_so():
    runs = {str(i): [_network(0.1 * i, i if seed else -i, seed) for seed in range(5)] for i in range(4)}
    (one,) = finding({"steps": runs}, 5, [], [])[1]
    assert "24 of 30 pairs, but in no more than half of those of 1 of 5 seeds" in one.text


@pytest.mark.parametrize(("move", "most", "said"), [(0.0, 30.0, "30.0% at most"), (None, None, "more than all")])
def test_moves_that_cancel_over_seeds_are_told(move, most, said):
    row = {"measure": "RMSE, rank 5", "moves": {"8": move}, "most": most, "scale_free": False}
    assert said in finding({}, 5, [], [row])[0]
