"""What is said of a version in several places is the same in all of them."""

import re
import tomllib
from pathlib import Path

import pytest

import coupled_nmf

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read_yaml(path):
    return pytest.importorskip("yaml").safe_load(path.read_text(encoding="utf-8"))


def test_the_changelog_begins_with_this_version():
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first.group(1) == coupled_nmf.__version__


def test_the_citation_is_of_this_version():
    cited = read_yaml(ROOT / "CITATION.cff")
    assert cited["cff-version"] == "1.2.0"
    assert (cited["title"], cited["license"]) == (PROJECT["name"], PROJECT["license"])
    assert str(cited["version"]) == coupled_nmf.__version__
    assert [author["family-names"] for author in cited["references"][0]["authors"]] == ["Saini", "Papalexakis"]


def test_the_gpu_extra_is_that_of_the_newest_cuda():
    assert PROJECT["optional-dependencies"]["gpu"] == ["coupled-nmf[cuda13]"]


def for_conda(requirements):
    """As conda writes them, under the names that it has for them."""
    names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    parts = [one.partition(">=") for one in requirements]
    return [f"{names.get(name, name)} >={least}" for name, _, least in parts]


def test_the_recipe_of_conda_is_of_this_version_and_needs_the_same():
    recipe = read_yaml(ROOT / "conda" / "recipe.yaml")
    assert recipe["context"]["version"] == coupled_nmf.__version__
    assert recipe["context"]["python_min"] == PROJECT["requires-python"].removeprefix(">=")
    estimator, probe = (output["requirements"] for output in recipe["outputs"])
    assert estimator["run"] == ["python", *for_conda(PROJECT["dependencies"])]
    assert set(for_conda(PYPROJECT["build-system"]["requires"])) <= set(estimator["host"])
    assert probe["run"][1:] == for_conda(PROJECT["optional-dependencies"]["probe"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_can_be_read_and_may_do_little(path):
    """Each says what it may do; none takes a token that it does not need."""
    flow = read_yaml(path)
    assert flow["name"] == path.stem
    assert flow[True], "YAML reads `on` as true"
    assert flow["permissions"] == {"contents": "read"}
    for job in flow["jobs"].values():
        assert "uses" in job or job["steps"]


def test_publishing_alone_may_ask_for_a_token():
    jobs = {name: job for path in WORKFLOWS for name, job in read_yaml(path)["jobs"].items() if "permissions" in job}
    assert {name for name, job in jobs.items() if job["permissions"].get("id-token")} == {"publish"}


def test_workflows_try_every_version_of_python_that_the_classifiers_name():
    versions = [c.split(" :: ")[-1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    jobs = read_yaml(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == versions
    wheels = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    assert all(f"cp{version.replace('.', '')}-*" in wheels for version in versions)
