"""What a page is put together from: packed values, small pictures, a size that can be mailed, one closed file."""

import base64
import copy
import hashlib
import io
import re
from importlib import resources

import numpy as np
import pytest
from pages import SVG, addresses_in, comparable, document_in, unpacked, words_of
from PIL import Image

from cnn_probe.arguments import told_command
from cnn_probe.measures.counting.exact import LEVEL
from cnn_probe.measures.diagnostics import RESOLVED
from cnn_probe.measures.units import SAME
from cnn_probe.report.document import fitting, shell
from cnn_probe.report.document.fitting import KEPT, fitted
from cnn_probe.report.document.packing import as_file, as_script, from_file
from cnn_probe.report.document.shell import bundled, render
from cnn_probe.report.document.tiles import LARGEST_PLAIN, as_tiles, in_steps, sheet_of, shrunk, smaller
from cnn_probe.report.pages import Telling, document_of
from cnn_probe.report.plots.grid import WORTH
from cnn_probe.report.plots.walk import ABOVE

RNG = np.random.default_rng(0)
HOSTILE = "</script><script>alert(1)</script>"
ARRAYS = {
    "float": np.array([[0.1, -np.inf], [np.nan, 1e-38]], np.float32),
    "whole": np.array([-(2**31), 0, 2**31 - 1]),
    "bytes": RNG.integers(0, 256, (3, 5, 7), dtype=np.uint8),
    "yes": np.array([True, False, True]),
    "empty": np.zeros((0, 4), np.float32),
    "one": np.array(3, np.int64),
}


def test_texts_of_a_script_never_end_it_and_come_back():
    texts = [HOSTILE, "<!--", "]]>", "&amp;", "a\u2028b\u2029c", '"\\', "\ud800", "\udce9", "猫", ""]
    script = as_script({"texts": texts, HOSTILE: 1})
    assert not set("<>&\u2028\u2029") & set(script)
    assert script.encode("utf-8")
    found = unpacked(script)
    assert found["texts"] == [*texts[:6], "\\ud800", "\\udce9", *texts[8:]], "halves of surrogates are written out"
    assert found[HOSTILE] == 1


def test_numbers_that_are_not_finite_are_null_and_numpys_are_plain():
    values = {"a": float("nan"), "b": -np.inf, "c": np.float32("nan"), "d": (np.int64(3), np.True_), "e": 1e308}
    plain = {"a": None, "b": None, "c": None, "d": [3, True], "e": 1e308}
    assert unpacked(as_script(values)) == plain
    assert from_file(as_file(values)) == plain


def test_arrays_come_back_bit_for_bit():
    document = {**ARRAYS, "again": [{"deep": ARRAYS["bytes"]}, ARRAYS["float"][:, 1]]}
    page, file = unpacked(as_script(document)), from_file(as_file(document))
    kinds = {"float": "<f4", "whole": "<i4", "bytes": "u1", "yes": "u1", "empty": "<f4", "one": "<i4"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(page[name], array)
        assert (page[name].dtype, page[name].shape) == (np.dtype(kinds[name]), array.shape)
        assert comparable(file[name]) == comparable(array)
    np.testing.assert_array_equal(page["again"][0]["deep"], ARRAYS["bytes"])
    np.testing.assert_array_equal(page["again"][1], ARRAYS["float"][:, 1])


def test_a_damaged_file_of_a_document_is_one_error():
    whole = as_file({"a": RNG.random(50), "b": ["x"]})
    for damaged in (b"", b"PK", whole[:-30], whole[:40], whole[:200] + b"\0" * 30 + whole[230:]):
        with pytest.raises(ValueError, match="a document cannot be read"):
            from_file(damaged)
    content = io.BytesIO()
    np.savez(content, document=np.array([{"pickled": 1}], object))
    with pytest.raises(ValueError, match="a document cannot be read"):
        from_file(content.getvalue())


@pytest.mark.parametrize("shape", [(2, 30, 30), (3, 28, 7), (1, 1, 65), (4, 1, 1)])
def test_shrunk_maps_keep_their_means(shape):
    maps = RNG.random(shape)
    found = shrunk(maps, 7)
    assert found.shape == (shape[0], min(shape[1], 7), min(shape[2], 7))
    assert found.min() >= maps.min() - 1e-6
    assert found.max() <= maps.max() + 1e-6
    if all(size % 7 == 0 or size < 7 for size in shape[1:]):
        np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(shrunk(np.full(shape, 0.3), 7), 0.3, rtol=1e-6)


def test_steps_go_from_nothing_to_the_largest():
    assert in_steps(np.array([-1.0, 0, 0.5, 1, 2]), 1.0).tolist() == [0, 0, 128, 255, 255]
    assert in_steps(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("channels", "side", "n"), [(1, 8, 1), (1, LARGEST_PLAIN, 7), (3, 16, 10), (1, 40, 5), (2, 8, 3)]
)
def test_a_sheet_has_every_picture_in_its_place(channels, side, n):
    pictures = np.broadcast_to(np.linspace(0, 1, n)[:, None, None, None], (n, channels, side, side)).copy()
    pictures[:, :, : side // 2] *= 0.5
    tiles = as_tiles(pictures)
    assert tiles.shape == (n, side, side, 3 if channels == 3 else 1)
    sheet = sheet_of(tiles)
    with Image.open(io.BytesIO(base64.b64decode(sheet["source"].partition(",")[2]))) as image:
        pixels = np.asarray(image.convert("RGB"), float)
    for i, tile in enumerate(tiles):
        top, left = i // sheet["columns"] * side, i % sheet["columns"] * side
        drawn = pixels[top : top + side, left : left + side]
        if channels != 3 and side <= LARGEST_PLAIN:
            np.testing.assert_array_equal(drawn, np.broadcast_to(tile, drawn.shape), "small grey ones are kept")
        else:
            assert np.abs(drawn - tile).mean() < 8
    assert (sheet["n"], sheet["width"], sheet["height"]) == (n, side, side)
    assert smaller(tiles, 4).shape[1:3] == (4, 4)


def document_with(n, side=64):
    """One result of ``n`` noisy pictures, of which something is said of the last ones."""
    inputs = {
        "number": np.arange(n),
        "pictures": RNG.integers(0, 256, (n, side, side, 3), dtype=np.uint8),
        "pictured": None,
        "names": [f"input {i}" for i in range(n)],
        "label": None,
        "F": RNG.random((n, 200), np.float32),
    }
    last = np.arange(n - 20, n)
    result = {
        "id": "one", "label": "one", "cards": [], "inputs": inputs, "comparison": None, "worst": last[10:],
        "factors": {"top": last[:10].reshape(2, 5)}, "suspects": [{"input": np.array([0, n // 2])}],
        "decisions": [{"input": 3, "why": "the closest"}],
    }  # fmt: skip
    about = {"notes": ["first"], "lead": [], "facts": [], "limits": [], "command": None, "files": []}
    return {"title": "t", "cards": [], "studies": [], "results": [result], "about": about}


def bytes_of(document):
    return len(as_script(document))


def test_a_page_that_is_small_enough_stays_as_it_is():
    document = document_with(30)
    found = fitted(document, 10**7)
    assert found["results"][0]["inputs"]["pictures"]["width"] == 64
    assert found["results"][0]["inputs"]["pictured"] is None
    assert found["about"]["notes"] == ["first"]
    assert isinstance(document["results"][0]["inputs"]["pictures"], np.ndarray), "what was given is left alone"


def test_pictures_are_made_smaller_before_any_is_left_out():
    document = document_with(200)
    whole = bytes_of(fitted(document, 10**9))
    found = fitted(document, whole // 2)
    sheet = found["results"][0]["inputs"]["pictures"]
    assert (sheet["n"], found["results"][0]["inputs"]["pictured"]) == (200, None)
    assert 16 <= sheet["width"] < 64
    assert bytes_of(found) <= whole // 2
    assert found["about"]["notes"][1:] == [
        f"Pictures are {sheet['width']} pixels wide at most: the page would be too large to mail otherwise."
    ]


def test_then_those_are_kept_that_something_is_said_of(monkeypatch):
    document = document_with(900)
    monkeypatch.setattr(fitting, "_of_fewer", lambda result: result)  # which comes after it
    smallest = bytes_of(fitted(document, 1))
    monkeypatch.setattr(fitting, "KEPT", 10**6)
    unsampled = bytes_of(fitted(document, 1))
    monkeypatch.undo()
    largest = (smallest + unsampled) // 2
    found = fitted(document, largest)
    inputs = found["results"][0]["inputs"]
    assert bytes_of(found) <= largest
    assert (inputs["pictures"]["n"], inputs["pictures"]["width"]) == (KEPT, 16)
    kept = np.flatnonzero(inputs["pictured"] >= 0)
    np.testing.assert_array_equal(inputs["pictured"][kept], np.arange(KEPT))
    assert set(kept) >= {0, 3, 450, *range(880, 900)}
    assert [f"at most {KEPT} are shown" in note for note in found["about"]["notes"]] == [False, False, True]


def test_numbers_that_are_too_many_are_those_of_fewer_inputs():
    document = document_with(900)
    (result,) = document["results"]
    most = bytes_of(fitted(document, 10**9)) // 5  # less than the numbers take without any picture
    found = fitted(document, most)
    (fewer,) = found["results"]
    assert bytes_of(found) <= most
    assert "fewer inputs" in found["about"]["notes"][-1]
    number = fewer["inputs"]["number"]
    assert len(number) == len(fewer["inputs"]["names"]) == len(fewer["inputs"]["F"]) <= KEPT
    assert set(number) >= {0, 3, 450, *range(880, 900)}
    np.testing.assert_array_equal(fewer["inputs"]["F"], result["inputs"]["F"][number])
    assert fewer["inputs"]["names"] == [f"input {i}" for i in number]
    np.testing.assert_array_equal(number[fewer["factors"]["top"]], result["factors"]["top"])
    np.testing.assert_array_equal(number[fewer["worst"]], result["worst"])
    np.testing.assert_array_equal(number[fewer["suspects"][0]["input"]], result["suspects"][0]["input"])
    assert number[fewer["decisions"][0]["input"]] == 3
    assert fitted(document, 1)["about"]["notes"][-1].startswith("This page is larger"), "it is said where nothing helps"


def page_of(**more):
    return render(document_of([], Telling(**{"title": "A page", "lead": [], "facts": [], **more})), mark="own")


def test_the_policy_lets_in_what_stands_in_the_file_and_nothing_else():
    page = page_of()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    directives = dict(part.strip().split(" ", 1) for part in policy.replace("&#39;", "'").split(";"))
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    for name, text in (("style-src", style), ("script-src", script)):
        assert text.strip()
        assert directives.pop(name) == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert directives == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert page.index("Content-Security-Policy") < page.index("<style>"), "it holds of what comes after it"
    assert len(re.findall("<script", page)) == 2, "the document and the script"


def test_a_page_asks_nothing_of_others_and_is_small():
    page = page_of()
    assert addresses_in(page) == {SVG}
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page.partition("<script")[0])
    assert not re.findall(r"@import|url\((?!['\"]?data:)", page)
    assert len(page.encode()) <= 120_000


def test_what_marks_is_said_once():
    """By Python, in the document, from where the script has it: figures and the page mark the same."""
    assert document_in(page_of())["thresholds"] == {
        "above": ABOVE,
        "same": SAME,
        "worth": WORTH,
        "level": LEVEL,
        "resolved": RESOLVED,
    }
    for value in (ABOVE, SAME, WORTH, LEVEL):
        assert not re.findall(rf"(?<![\d.]){re.escape(str(value))}(?!\d)", bundled())


def test_no_script_makes_code_or_markup_of_texts():
    script = bundled()
    for bad in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "XMLHttpRequest"):
        assert bad not in script
    assert not re.findall(r"\b(?:eval|fetch|Function|importScripts|WebSocket|EventSource)\s*\(", script)
    assert not re.findall(r"""\bstyle=|["']style["']|\bstyle:""", script), "the policy takes no style of an element"
    assert not re.findall(r"^\s*(?:import|export)\b", script, re.MULTILINE), "it is one"
    assert "</" not in script


def test_a_script_whose_modules_give_one_name_twice_is_refused(monkeypatch):
    files = {
        "main.js": 'import { one } from "./a.js";\nimport { two } from "./b.js";\nconst three = one + two;\n',
        "a.js": "export const one = 1;\nfunction helper() {}\n",
        "b.js": 'import { one } from "./a.js";\nexport const two = one + 1;\n',
    }
    monkeypatch.setattr(shell, "_asset", files.__getitem__)
    bundle = bundled.__wrapped__()
    assert bundle.index("const one") < bundle.index("const two") < bundle.index("const three")
    assert bundle.count("const one") == 1
    files["b.js"] += "async function helper() {}\n"
    with pytest.raises(ValueError, match="give one name to several things: helper"):
        bundled.__wrapped__()
    files["b.js"] = "  // a remark\n\n  const two = `not // ${1 + 1}  one`; // nor this\n"
    bundle = bundled.__wrapped__()
    assert "const two=`not // ${1 + 1}  one`;" in bundle
    assert "remark" not in bundle
    assert "nor" not in bundle
    for nested in ("`a ${1 ? `, b  c` : 0}`", "`} ${1 ? `, b  c` : 0}`", "`${`a  b`}`"):
        files["b.js"] = f"const two = {nested};\n"
        with pytest.raises(ValueError, match="a text between backticks may not be within another"):
            bundled.__wrapped__()
    files["b.js"] = "const two = 1; // one ` alone\n"
    with pytest.raises(ValueError, match=r"a backtick of b\.js has no other: alone"):
        bundled.__wrapped__()


def test_every_text_between_backticks_is_on_the_page_as_it_was_written():
    script, n = bundled(), 0
    for file in sorted(resources.files("cnn_probe.report").joinpath("assets").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".js"):
            code = re.sub(r"^\s*//.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            texts = re.findall("`[^`]*`", code)
            assert [text for text in texts if text not in script] == []
            n += len(texts)
    assert n > 100


def test_texts_from_outside_are_texts_on_the_page():
    texts = {"title": HOSTILE, "lead": ['"><img src=x onerror=alert(1)>'], "facts": [("<b>a</b>", "{{ 7 * 7 }}")]}
    page = page_of(**texts, command=f"cnn-probe '{HOSTILE}'", limits=["\u202egnp"], notes=["x" * 400])
    assert page == page_of(**texts, command=f"cnn-probe '{HOSTILE}'", limits=["\\u202egnp"], notes=["x" * 400])
    assert "<img" not in page
    assert len(re.findall("<script", page)) == 2
    for said in (HOSTILE, '"><img src=x onerror=alert(1)>', "<b>a</b>", "{{ 7 * 7 }}", "\\u202egnp"):
        assert said in words_of(page)
    found = document_in(page)
    assert (found["title"], found["about"]["facts"]) == (HOSTILE, [["<b>a</b>", "{{ 7 * 7 }}"]])
    long = f"cnn-probe probe --layers {' '.join(f'layer{i}.relu' for i in range(60))}"
    assert document_in(page_of(command=long))["about"]["command"] == long, "what is run again is told whole"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["run", "--out", "/home/me/runs/one"], "cnn-probe run --out one"),
        (["run", "--out", "runs/one"], "cnn-probe run --out runs/one"),
        (["run", "--out", "runs/../../one"], "cnn-probe run --out one"),
        (["run", "--out", "~/runs/one"], "cnn-probe run --out one"),
        (["probe", "--data", "photos/"], "cnn-probe probe --data photos"),
        (["probe", "--data=/a b/c d"], "cnn-probe probe '--data=c d'"),
        (["probe", "--against", "own:deep=/home/me/x.pt"], "cnn-probe probe --against own:deep=x.pt"),
        (["probe", "--weights", "C:\\Users\\me\\x.pt"], "cnn-probe probe --weights x.pt"),
        (["run", "--ranks", "2,3", "--data", "/"], "cnn-probe run --ranks 2,3 --data /"),
        (["probe", "--layers", "layer*.relu", ""], "cnn-probe probe --layers 'layer*.relu' ''"),
        (["probe", "--data", "../.."], "cnn-probe probe --data .."),
    ],
)
def test_a_command_is_told_without_the_folders_of_this_machine(typed, told):
    assert told_command(typed) == told


def test_a_document_is_left_as_it_was_by_its_page():
    document = document_with(5)
    before = copy.deepcopy(document)
    render({**document}, mark="own")
    assert comparable(document) == comparable(before)
