"""What the pages in docs/ and the README show runs."""

import doctest
import json
import re
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import readme
from examples import run_example
from places import emulate

from coupled_nmf import Blocks, CoupledNMF, make_coupled_blocks

ROOT = Path(__file__).parents[2]
WITHIN = {"processes": False, "n_workers": 4, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
FENCE = re.compile(r"^```.*$", re.MULTILINE)
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if ">>> " in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_what_comes_out(page, tmp_path, monkeypatch):
    if page.stem == "anndata":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what these packages say of themselves
            pytest.importorskip("anndata")
            pytest.importorskip("mudata")
            _run(page, tmp_path, monkeypatch)
    else:
        _run(page, tmp_path, monkeypatch)


def test_the_adapter_for_mudata_takes_what_has_its_names():
    """On stand-ins, for where anndata and mudata are not installed: a modality lacks some cells."""
    text = (ROOT / "docs" / "howto" / "anndata.md").read_text(encoding="utf-8")
    (names,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:1]
    adapter = {}
    for example in doctest.DocTestParser().get_examples(names):
        exec(example.source, adapter)
    cells = pd.Index([f"cell{i}" for i in range(60)])
    counts = np.random.default_rng(0).poisson(2.0, (60, 50)).astype(np.float32)
    rna = SimpleNamespace(X=counts[:, :30], layers={"twice": 2 * counts[:, :30]}, obs_names=cells, varm={})
    atac = SimpleNamespace(X=counts[10:, 30:], layers={"twice": 2 * counts[10:, 30:]}, obs_names=cells[10:], varm={})
    mdata = SimpleNamespace(mod={"rna": rna, "atac": atac}, obs_names=cells, obsm={})
    model = CoupledNMF(3, random_state=0)
    F = model.fit_transform(adapter["blocks_of"](mdata))
    expected = Blocks({"rna": rna.X, "atac": atac.X}, samples={"atac": range(10, 60)})
    np.testing.assert_array_equal(F, CoupledNMF(3, random_state=0).fit_transform(expected))
    np.testing.assert_array_equal(adapter["blocks_of"](mdata, layer="twice")["rna"], 2 * rna.X)
    adapter["keep"](mdata, model, F)
    assert mdata.obsm["X_nmf"] is F
    assert [one.varm["X_nmf"].shape for one in mdata.mod.values()] == [(30, 3), (20, 3)]


def test_all_python_of_the_guides_runs():
    """What is shown as Python is a session, which the test above runs."""
    for page in (ROOT / "docs" / "howto").glob("*.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        assert all(block.startswith(">>> ") for block in blocks), page.name


def _run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # to which a page may write
    text = FENCE.sub("", page.read_text(encoding="utf-8"))  # or a fence would be looked for in the output
    examples = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report = []
    results = doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert results.attempted > 0
    assert results.failed == 0, "".join(report)


def test_readme_estimator_part_runs():
    (code,) = readme.snippets("The estimator")
    names = {}
    readme.run(code, names)
    assert names["F"].shape == (1797, 10)


def test_readme_probe_part_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = readme.snippets("The probe")
    readme.run(code, {})
    assert (tmp_path / "digits.html").stat().st_size > 1e5


def test_the_site_begins_with_what_the_readme_shows():
    of_readme = [code for part in ("The probe", "The estimator") for code in readme.snippets(part)]
    assert readme.snippets(page="docs/index.md") == of_readme


def test_the_page_on_gpus_begins_with_what_runs(monkeypatch):
    """On the emulated device."""
    emulate(monkeypatch)  # what is imported as cupy, too
    X, _, _ = make_coupled_blocks(90, {"conv1": 30, "conv2": 20}, 12, noise=0.1, random_state=0)
    names = {"X": X, "activations": X["conv1"]}
    (code,) = readme.snippets(page="docs/gpu.md")
    readme.run(code, names)
    assert names["F"].shape == (90, 10)


def test_the_page_on_clusters_begins_with_what_runs(monkeypatch):
    """On a cluster in this process."""
    array, distributed = pytest.importorskip("dask.array"), pytest.importorskip("distributed")
    stored = array.from_array(np.random.default_rng(0).random((120, 30)), chunks=(40, 30))
    monkeypatch.setattr(array, "from_zarr", lambda path: stored)
    client = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address: client(**WITHIN))
    names = {}
    try:
        readme.run(readme.snippets(page="docs/cluster.md")[0], names)
        assert names["F"].shape == (120, 10)
    finally:
        names["client"].close()


def test_the_example_on_a_gpu_says_in_a_line_what_it_lacks(tmp_path):
    alone, without = tmp_path / "plot_gpu.py", tmp_path / "without"
    shutil.copy(ROOT / "docs" / "examples" / "scale" / "plot_gpu.py", alone)
    without.mkdir()
    (without / "cupy.py").write_text("raise ImportError")
    with pytest.raises(AssertionError, match=r"^there is no GPU .*: run it from the repository\n$"):
        run_example(alone, tmp_path / "figure.png", before=[without])


def test_the_page_of_the_reproduction_is_made_of_the_numbers_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tables"))
    import reproduction

    results, starts = (json.loads((reproduction.FOLDER / name).read_text()) for name in reproduction.KEPT)
    text = (reproduction.FOLDER / "README.md").read_text()
    assert reproduction.page(results, starts) == text, "python docs/tables/reproduction.py renews it"
    assert text.count("\n## ") == 5 + len(results["studies"])
    assert reproduction.NO_SIGN in text
    assert text.count("| yes |") + text.count("| no |") >= len(results["evidence"])
    assert (reproduction.FOLDER / "results.json").stat().st_size < 2e6


def test_the_page_on_kernels_names_each_of_their_files():
    text = (ROOT / "docs" / "design" / "kernels.md").read_text(encoding="utf-8")
    folder = ROOT / "coupled_nmf" / "backends"
    files = [path.name for end in ("hpp", "cpp", "cu", "cuh") for path in folder.rglob(f"*.{end}")]
    assert len(files) > 40
    assert [name for name in files if f"`{name}`" not in text] == []
