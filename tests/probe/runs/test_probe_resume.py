"""``cnn-probe probe --resume``: what is finished is not fitted again, and what comes out is what came out at once."""

import json
import re

import numpy as np
import pytest
from pages import cards_in, comparable, document_in, labels_in, timeless

from cnn_probe import ProbeResult, cli
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.networks.zoo import load_model
from cnn_probe.probing import fitting
from cnn_probe.report.document.packing import as_file
from cnn_probe.runs.finished import REQUEST, add, finish, read_added, read_finished
from cnn_probe.runs.probe_plan import ProbePlan
from cnn_probe.runs.probe_run import run_probe
from cnn_probe.runs.saying import SAID, read_said


def plan_of(photos, **more):
    return ProbePlan(
        model="own_networks:deep",
        data=PictureFolder(photos, 16),
        ranks=(2, 3),
        negative="split",
        inputs=8,
        **more,
    )


@pytest.mark.parametrize("store", [None, "kept"])
def test_after_an_interrupt_the_first_rank_is_kept_and_all_is_as_it_comes_out_at_once(
    here, photos, fitted, recordings, store
):
    def interrupt(what, done, total):
        if what.startswith("rank 3: fitting") and done == 4:
            raise KeyboardInterrupt

    def go(out, progress=lambda *told: None, **how):
        plan = plan_of(photos, ablate=8, store=store)
        return run_probe(load_model("own_networks:deep"), plan, here / out, progress=progress, say=said.append, **how)

    said = []
    go("at once")
    fitted.clear()
    with pytest.raises(KeyboardInterrupt):
        go("out", interrupt)
    assert fitted == [2, 3]
    assert not (here / "out" / "rank-3" / REQUEST).exists()
    before = (here / "out" / "rank-2" / "result.json").stat().st_mtime_ns
    fitted.clear()
    said.clear()
    page = go("out", resume=True)
    assert fitted == [3], "the first rank is not fitted again"
    assert f"rank 2: finished before, in {here / 'out' / 'rank-2'}" in said
    assert (here / "out" / "rank-2" / "result.json").stat().st_mtime_ns == before
    assert labels_in(page) == ["rank 2", "rank 3"]
    assert timeless(page) == timeless(here / "at once" / "index.html")
    assert [card["question"] for card in cards_in(page)].count("What do the patterns cause?") == 2
    for rank in (2, 3):
        mine, other = (ProbeResult.load(here / out / f"rank-{rank}") for out in ("out", "at once"))
        np.testing.assert_array_equal(mine.F, other.F)
        np.testing.assert_array_equal(mine.model.components_, other.model.components_)
        names = {path.name for path in (here / "at once" / f"rank-{rank}").glob("*.[cp][sn][vg]")}
        assert "walk.png" in names
        assert "residuals.csv" in names
        for name in names:
            folders = (here / out / f"rank-{rank}" / name for out in ("out", "at once"))
            assert len({path.read_bytes() for path in folders}) == 1, name
        said_of = [read_said(here / out / f"rank-{rank}") for out in ("out", "at once")]
        assert comparable(said_of[0]) == comparable(said_of[1])
        assert all(set(one["part"]["seconds"]) == {"recording", "factorization", "answers"} for one in said_of)
    recordings.clear()
    go("out", resume=True)
    assert recordings == []
    assert "nothing was recorded or factored again" in said[-1]


def test_what_was_asked_otherwise_is_made_anew_and_other_ranks_stay_on_the_page(
    here, command, undrawn, fitted, recordings, capsys
):
    asked = command("--ranks", "2")
    assert cli.main(asked) == 0
    assert cli.main(command("--ranks", "3", "--resume")) == 0
    assert fitted == [2, 3]
    assert labels_in(here / "out" / "index.html") == ["rank 2", "rank 3"], "as of a run, the page keeps other ranks"
    assert cli.main(asked) == 0
    assert fitted == [2, 3, 2], "without --resume all that is asked for is made anew"
    fitted.clear()
    capsys.readouterr()
    others = (
        ["--max-iter", "29"],
        ["--seed", "1"],
        ["--solver", "mu"],
        ["--init", "random"],
        ["--inputs", "4"],
        ["--negative", "clip"],
        ["--pool", "max"],
        ["--layers", "1"],
        ["--image-size", "15"],
        ["--preprocess", "own_networks:halve"],
    )
    for other in others:
        assert cli.main([*command("--ranks", "2", "--resume"), *other]) == 0
        assert fitted == [2], other
        fitted.clear()
        assert "out held the page of a probe of other" in capsys.readouterr().out, other
        assert labels_in(here / "out" / "index.html") == ["rank 2"], "a page shows results of one kind"
    assert len(recordings) == 3 + len(others)


def test_what_else_is_asked_of_a_finished_rank_is_made_of_the_same_fit(
    here, command, undrawn, fitted, recordings, capsys
):
    asked = command("--ranks", "2", "--resume")
    assert cli.main(asked) == 0
    capsys.readouterr()
    assert cli.main([*asked, "--ablate", "8", "--full"]) == 0
    assert "not fitted again, in out/rank-2" in capsys.readouterr().out
    page = here / "out" / "index.html"
    questions = {card["question"] for card in cards_in(page)}
    assert questions >= {"What do the patterns cause?", "Do the patterns come out again?"}
    found = comparable(document_in(page)["results"])
    assert (here / "out" / "rank-2" / "use.csv").exists()
    assert len(recordings) == 2
    for less in ([], ["--ablate", "8"], ["--ablate", "0"], ["--full"]):
        assert cli.main([*asked, *less]) == 0
        assert comparable(document_in(page)["results"]) == found, "what is finished is shown"
    assert fitted == [2]
    assert len(recordings) == 2


def test_a_page_without_images_has_none_of_an_earlier_run_either(here, command, undrawn, fitted):
    def pictured():
        return {one["label"]: one["inputs"]["pictures"] is not None for one in document_in(page)["results"]}

    page = here / "out" / "index.html"
    assert cli.main(command("--ranks", "2")) == 0
    assert pictured() == {"rank 2": True}
    assert cli.main(command("--ranks", "3", "--no-images")) == 0
    assert pictured() == {"rank 3": False}, "rank 2 would show inputs"
    assert "data:image" not in page.read_text().partition('id="document"')[2].partition("</script>")[0]
    assert cli.main(command("--ranks", "2", "--no-images", "--resume")) == 0
    assert pictured() == {"rank 2": False, "rank 3": False}
    assert cli.main(command("--ranks", "2", "--resume")) == 0
    assert pictured() == {"rank 2": True, "rank 3": False}
    assert fitted == [2, 3], "of the fits that are there"


def test_what_is_damaged_is_named_and_made_anew(here, command, undrawn, fitted, capsys):
    asked = command("--ranks", "2", "--resume")
    assert cli.main(asked) == 0
    folder = here / "out" / "rank-2"
    for pattern in ("model-*", "result.json", REQUEST, "inputs.png", "residuals.csv", SAID):
        (path,) = folder.glob(pattern)
        path.write_bytes(path.read_bytes()[:-3])
        fitted.clear()
        capsys.readouterr()
        assert cli.main(asked) == 0
        assert fitted == [2], pattern
        said = capsys.readouterr().out
        assert "out/rank-2 is damaged, and made anew" in said, pattern
        assert path.name in said, pattern
    (folder / REQUEST).unlink()
    (folder / REQUEST).mkdir()
    assert cli.main(asked) == 2
    assert "request.json is a folder in the place of a file" in capsys.readouterr().err


def test_what_another_version_said_of_a_rank_is_said_again_of_the_same_fit(here, command, undrawn, fitted):
    asked = command("--ranks", "2", "--resume")
    assert cli.main(asked) == 0
    folder = here / "out" / "rank-2"
    add(folder, {SAID: as_file({"format": 0, "part": {}})})
    page = timeless(here / "out" / "index.html")
    assert cli.main(asked) == 0
    assert fitted == [2]
    assert timeless(here / "out" / "index.html") == page


def test_pictures_that_change_while_they_are_read_are_refused(here, photos, monkeypatch):
    prints = iter(["0" * 16, "1" * 16])
    monkeypatch.setattr(PictureFolder, "fingerprint", lambda self: next(prints))
    with pytest.raises(ValueError, match=f"the pictures in {re.escape(str(photos))} changed while they were read"):
        run_probe(
            load_model("own_networks:deep"), plan_of(photos), here / "out", progress=lambda *told: None, say=print
        )


def test_ctrl_c_says_what_goes_on(here, command, capsys, monkeypatch):
    def interrupt(*given, **how):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "rank_path", interrupt)
    assert cli.main(command()) == 130
    said = capsys.readouterr().err
    assert "what was finished is kept, --resume goes on from there, --store keeps what is recorded, too" in said


def test_files_that_are_added_come_under_the_mark_and_go_with_it(tmp_path):
    with pytest.raises(ValueError, match="nothing is finished in"):
        add(tmp_path, {"more.csv": b"1"})
    (tmp_path / "result.json").write_text("{}")
    finish(tmp_path, {"k": 2}, {"picture.png": b"2"})
    add(tmp_path, {"more.csv": b"1", "picture.png": b"3"})
    assert read_added(tmp_path, "more.csv") == b"1"
    assert read_added(tmp_path, "picture.png") == b"3"
    assert read_added(tmp_path, "none.csv") is None
    assert json.loads((tmp_path / REQUEST).read_text())["request"] == {"k": 2}
    (tmp_path / "own.csv").write_text("of the user's own")
    (tmp_path / "more.csv").write_bytes(b"2")
    for read in (lambda: read_added(tmp_path, "more.csv"), lambda: read_finished(tmp_path, {"k": 2})):
        with pytest.raises(ValueError, match=r"more\.csv is missing or not what the run wrote"):
            read()
    finish(tmp_path, {"k": 3}, {"picture.png": b"3"})
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", REQUEST, "picture.png", "own.csv"}
