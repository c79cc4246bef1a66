"""``cnn-probe run``: what it leaves, how it goes on, what it says."""

import json
import signal
import subprocess
import sys

import kills
import numpy as np
import pytest
from pages import SVG, addresses_in, cards_in, document_in, labels_in, timeless, words_of

from cnn_probe import ProbeResult, cli
from cnn_probe.data import datasets
from cnn_probe.runs import run
from cnn_probe.runs.finished import REQUEST, read_finished
from cnn_probe.system.locks import only_one

QUICK = ["run", "--epochs", "1", "--max-iter", "30"]


@pytest.fixture
def few(few_digits, monkeypatch):
    """They are all that is read, so that a run takes a second or two."""
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: few_digits)
    return few_digits


@pytest.fixture
def trained(monkeypatch):
    """Seeds of the networks that were trained."""
    seeds, real = [], run._train_and_record
    monkeypatch.setattr(
        run,
        "_train_and_record",
        lambda data, plan, seed, progress: seeds.append(seed) or real(data, plan, seed, progress),
    )
    return seeds


def test_a_run_ends_in_a_page_with_its_pictures(few, tmp_path, capsys):
    assert cli.main([*QUICK, "--ranks", "2,3", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert f"page: {tmp_path / 'index.html'}" in said.out
    assert "seed 0: accuracy " in said.out
    assert "has learned little: its accuracy is" in said.err, "one epoch of 130 digits is two or three steps"
    page = tmp_path / "index.html"
    found = document_in(page)
    assert labels_in(page) == ["seed 0, rank 2", "seed 0, rank 3"]
    pictures = list(tmp_path.glob("seed-0/rank-*/*.png"))
    drawn = {"latent-images", "inputs", "walk", "atlas", "decisions", "causes", "units", "residuals"}
    assert {(path.parent.name, path.stem) for path in pictures} == {
        (f"rank-{k}", name) for k in (2, 3) for name in drawn
    }
    for picture in pictures:
        assert picture.stat().st_size > 3000
        assert picture.with_suffix(".svg").read_text().startswith("<?xml")
    beside = {path.relative_to(tmp_path).as_posix() for path in [*pictures, *tmp_path.glob("seed-0/rank-*/*.csv")]}
    assert set(found["about"]["files"]) == beside, "the page names what lies beside it"
    words = words_of(page)
    assert words.count("It has learned little, and so what is found in it says little.") == 2
    assert "network, 1 epoch." in words
    assert addresses_in(page) == {SVG}, "the page must work offline"
    for rank, part in zip((2, 3), found["results"], strict=True):
        result = ProbeResult.load(tmp_path / "seed-0" / f"rank-{rank}")
        assert (part["rank"], part["accuracy"]) == (rank, pytest.approx(result.accuracy))
        assert part["rmse"] == pytest.approx(result.model.rmse_)
        assert f"How right is the network? {result.accuracy:.1%}" in words
        assert set(part["seconds"]) == {"training", "recording", "factorization", "answers"}
        assert part["ablation"]["n_inputs"].sum() == 50, "taking factors out is a part of every run"
        np.testing.assert_array_equal(part["inputs"]["F"], result.F[part["inputs"]["number"]].astype(np.float32))


def test_by_default_small_data_are_trained_longer_than_mnist_is():
    for n_images, epochs in ((60_000, 1), (10**6, 1), (50_000, 2), (1347, 69), (3, 1500)):
        plan = run.RunPlan().training(n_images, seed=0)
        assert plan.epochs == epochs, n_images
        assert plan.epochs * -(-n_images // plan.batch_size) >= 938
    assert run.RunPlan(epochs=3).training(1347, seed=5).epochs == 3


@pytest.mark.parametrize(("guess", "accuracy"), [(0.1, 0.325), (0.5, 0.625), (0.9, 0.925)])
def test_little_is_less_than_a_quarter_of_the_way_from_a_guess(guess, accuracy):
    assert run.enough(guess) == pytest.approx(accuracy)


def test_resume_makes_what_is_missing_or_asked_for_otherwise(few, undrawn, trained, tmp_path, capsys):
    arguments = [*QUICK, "--ranks", "2,3", "--seeds", "0,1", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    assert len(list(tmp_path.glob("seed-*/rank-*/model-*.npz"))) == 4
    (tmp_path / "seed-1" / "rank-3" / REQUEST).unlink()
    trained.clear()
    capsys.readouterr()
    assert cli.main([*arguments, "--resume"]) == 0
    assert trained == [1]
    assert capsys.readouterr().out.count("RMSE") == 1
    assert cli.main([*arguments, "--resume"]) == 0
    assert trained == [1]
    assert "all that was asked for is finished" in capsys.readouterr().out
    arguments[arguments.index("--max-iter") + 1] = "29"
    assert cli.main([*arguments, "--seeds", "0", "--ranks", "2", "--resume"]) == 0
    assert trained == [1, 0], "other settings are another run"
    assert labels_in(tmp_path / "index.html") == ["seed 0, rank 2"], "a page shows results of one kind"


def test_the_page_keeps_what_earlier_runs_of_the_same_kind_found(few, undrawn, tmp_path):
    for ranks in ("2", "3"):
        assert cli.main([*QUICK, "--ranks", ranks, "--out", str(tmp_path)]) == 0
    assert labels_in(tmp_path / "index.html") == ["seed 0, rank 2", "seed 0, rank 3"]


def test_resume_makes_damaged_results_anew_and_names_them(few, undrawn, trained, tmp_path, capsys):
    arguments = [*QUICK, "--ranks", "2", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    folder = tmp_path / "seed-0" / "rank-2"
    damage = {
        "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
        "gone": lambda path: path.unlink(),
        "empty": lambda path: path.write_bytes(b""),
        "list": lambda path: path.write_bytes(b"[]"),
        "of another shape": lambda path: path.write_bytes(b'{"request": {}, "files": 3}'),
        "nested": lambda path: path.write_bytes(b"[" * 100_000),
    }
    found = [
        ("model-*", "cut"),
        ("model-*", "gone"),
        ("samples-*", "empty"),
        ("result.json", "cut"),
        ("result.json", "gone"),
    ]
    found += [
        (REQUEST, "empty"),
        (REQUEST, "list"),
        (REQUEST, "of another shape"),
        (REQUEST, "nested"),
        ("result.json", "nested"),
        ("inputs.png", "gone"),
        ("page.npz", "gone"),
        ("page.npz", "cut"),
        ("page.npz", "empty"),
    ]
    for pattern, how in found:
        (path,) = folder.glob(pattern)
        damage[how](path)
        trained.clear()
        capsys.readouterr()
        assert cli.main([*arguments, "--resume"]) == 0
        assert trained == [0], f"{pattern} {how}"
        said = capsys.readouterr().out
        assert f"{folder} is damaged, and made anew" in said, f"{pattern} {how}"
        assert path.name in said, f"{pattern} {how}"
        assert read_finished(folder, json.loads((folder / REQUEST).read_text())["request"]) is not None


def test_what_else_is_asked_of_a_finished_result_is_made_of_the_same_fit(few, undrawn, trained, tmp_path):
    arguments = [*QUICK, "--ranks", "2", "--out", str(tmp_path)]
    page, folder = tmp_path / "index.html", tmp_path / "seed-0" / "rank-2"
    assert cli.main([*arguments, "--ablate", "0"]) == 0
    alone = document_in(page)["results"][0]
    assert alone["ablation"] is alone["stability"] is None
    trained.clear()
    model = (folder / "result.json").read_bytes()
    assert cli.main([*arguments, "--resume", "--full"]) == 0
    assert "Do the patterns come out again?" in [card["question"] for card in cards_in(page)]
    assert document_in(page)["results"][0]["ablation"]["n_inputs"].sum() == 50
    assert (folder / "use.csv").exists()
    assert (trained, (folder / "result.json").read_bytes()) == ([], model)
    whole = timeless(page)
    for less in (["--ablate", "0"], []):
        assert cli.main([*arguments, "--resume", *less]) == 0
        assert timeless(page)[1]["results"] == whole[1]["results"], "what is finished is shown"


def test_a_mark_that_names_no_seed_is_not_shown(few, undrawn, trained, tmp_path):
    arguments = [*QUICK, "--ranks", "2", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    path = tmp_path / "seed-0" / "rank-2" / REQUEST
    mark = json.loads(path.read_text())
    del mark["request"]["seed"]
    path.write_text(json.dumps(mark))
    assert cli.main([*arguments, "--ranks", "3", "--resume"]) == 0
    assert labels_in(tmp_path / "index.html") == ["seed 0, rank 3"]


@pytest.mark.parametrize("name", [REQUEST, "result.json"])
def test_a_folder_in_the_place_of_a_file_is_refused_before_the_training(few, undrawn, trained, tmp_path, capsys, name):
    odd = tmp_path / "seed-0" / "rank-2" / name
    odd.mkdir(parents=True)
    assert cli.main([*QUICK, "--ranks", "2", "--out", str(tmp_path)]) == 2
    assert f"{odd} is a folder in the place of a file; move it away" in capsys.readouterr().err
    assert not trained


def test_a_rerun_that_is_killed_anywhere_is_not_taken_for_either_run(few, undrawn, tmp_path):
    for rank in ("2", "3"):
        assert cli.main([*QUICK, "--ranks", rank, "--out", str(tmp_path)]) == 0
    code = f"""
import kills
from pathlib import Path
from cnn_probe import ProbeResult
from cnn_probe.runs.finished import finish, read_finished
base = Path({str(tmp_path)!r})
results = {{k: ProbeResult.load(base / "seed-0" / f"rank-{{k}}") for k in (2, 3)}}
folder = base / "both"

def save(k):
    results[k].save(folder)
    finish(folder, {{"k": k}}, {{"picture.png": bytes([k]) * 9}})

def check():
    taken = []
    for k in (2, 3):
        try:
            result = read_finished(folder, {{"k": k}})
        except ValueError:
            continue
        if result is not None:
            assert result.F.shape[1] == k and (folder / "picture.png").read_bytes() == bytes([k]) * 9, "a mixture"
            taken.append(k)
    found.append(tuple(taken))

save(2)
found = []
kills.each(lambda: save(3), check)
print(sorted(set(found)), found[0], found[-1])
"""
    assert kills.run(code).strip() == "[(), (2,), (3,)] (2,) (3,)"


def test_a_second_run_in_one_folder_is_refused_in_one_line(few, tmp_path, capsys):
    with only_one(tmp_path):
        assert cli.main([*QUICK, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"another run is writing to {tmp_path}" in said


def test_a_rank_above_the_number_of_images_is_refused_before_the_training(few, trained, tmp_path, capsys):
    assert cli.main([*QUICK, "--ranks", "5,51", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "--ranks 51 is more than the 50 images that are probed: they are the test images, of 180 in all" in said
    assert not trained


def test_every_fit_that_does_not_settle_says_so(few, undrawn, tmp_path, capsys):
    assert cli.main(["run", "--epochs", "1", "--ranks", "3,4", "--max-iter", "2", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    for rank in (3, 4):
        assert f"cnn-probe: seed 0, rank {rank}: CoupledNMF stopped at --max-iter 2 before" in said
    assert said.count("raise --max-iter.") == 2
    assert [one["settled"] for one in document_in(tmp_path / "index.html")["results"]] == [False, False]


SLOW = """
import sys
from cnn_probe.system import bars
from cnn_probe import cli
from cnn_probe.runs import run, saying
fast = run.RunPlan.estimator
run.RunPlan.estimator = lambda self, k, seed: fast(self, k, seed).set_params(tol=0.0 if k == 5 else 1e-4)
show = bars.Bar.__call__
def tell(self, what, done, total):
    print(what, done, flush=True)
    show(self, what, done, total)
bars.Bar.__call__ = tell
sys.exit(cli.main(["run", "--ranks", "3,5,7", "--epochs", "1", "--max-iter", "1000000", "--out", sys.argv[1]]))
"""


def test_an_interrupt_in_a_factorization_ends_the_run_and_leaves_that_rank_unfinished(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = ""
    for line in process.stdout:
        if line.startswith("seed 0, rank 5: fitting 20"):
            break
    assert line, process.stderr.read()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted; what was finished is kept, --resume goes on" in errors
    assert "Traceback" not in errors
    assert "rank 7" not in rest
    finished = [path.parent.name for path in tmp_path.glob(f"seed-0/*/{REQUEST}")]
    assert finished == ["rank-3"]
    assert ProbeResult.load(tmp_path / "seed-0" / "rank-3").F.shape == (450, 3)
    assert not (tmp_path / "seed-0" / "rank-5").exists()


def test_a_run_with_other_settings_says_so_before_a_picture_changes(few, undrawn, tmp_path, capsys, monkeypatch):
    arguments = [*QUICK, "--ranks", "2", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    assert "replaced" not in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert "replaced" not in capsys.readouterr().out
    arguments[arguments.index("--max-iter") + 1] = "29"

    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_said", interrupt)
    assert cli.main(arguments) == 130
    said = capsys.readouterr().out
    assert f"{tmp_path} held the page of a run of other settings; it is replaced" in said
    assert not (tmp_path / "index.html").exists(), "its pictures would be those of another run"


def test_starts_say_how_far_errors_and_patterns_spread(few, undrawn, trained, tmp_path):
    asked = [*QUICK, "--ranks", "3", "--ablate", "0", "--out", str(tmp_path), "--resume"]
    assert cli.main(asked) == 0
    folder, page = tmp_path / "seed-0" / "rank-3", tmp_path / "index.html"
    assert document_in(page)["results"][0]["stability"] is None
    assert cli.main([*asked, "--starts", "4"]) == 0
    assert trained == [0], "the network and the first start are those that are there"
    (part,) = document_in(page)["results"]
    rmse = part["stability"]["rmse"]
    assert len(rmse) == 4
    assert rmse[0] == ProbeResult.load(folder).model.rmse_
    assert len(set(rmse)) == 4, "other starts"
    assert all(
        count.startswith(("0", "1", "2", "3")) and "of 3 starts" in count for count in part["stability"]["counts"]
    )
    (card,) = (card for card in cards_in(page) if card["question"] == "Do the patterns come out again?")
    assert f"The RMSE of the 4 starts is {min(rmse):.4g} to {max(rmse):.4g}" in card["answer"]
    lines = (folder / "starts.csv").read_text().splitlines()
    assert [float(line.split(",")[1]) for line in lines[1:]] == pytest.approx(rmse)
    assert cli.main(asked) == 0
    assert document_in(page)["results"][0]["stability"]["rmse"] == rmse, "what was found stays"
    assert cli.main([*asked[:-1], "--starts", "1"]) == 0
    assert document_in(page)["results"][0]["stability"] is None
    assert not (folder / "starts.csv").exists()
