"""Tables: columns that fit, files that are whole and harmless, what a notebook shows."""

import csv
import io
import sys

import numpy as np
import pandas as pd
import pytest

from cnn_probe.measures.table import Table

TABLE = Table({"unit": ["a", "b", "c"], "rate": [0.25, None, 0.5], "dead": [True, False, False]})


def test_columns_are_kept_as_plain_python():
    table = Table(
        {"n": np.arange(3), "x": np.float32([0.5, 1, 2]), "b": np.array([True, False, True]), "t": ["a", "b", "c"]}
    )
    assert table.columns == ("n", "x", "b", "t")
    assert [type(table[name][0]) for name in table.columns] == [int, float, bool, str]
    assert table["n"] == (0, 1, 2)
    assert list(table.rows())[1] == (1, 1.0, False, "b")
    assert len(table) == 3
    assert len(Table({})) == 0
    assert repr(table) == "Table(3 rows: n, x, b, t)"


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"a": [1], "b": [1, 2]}, ValueError, r"equal length, got \{'a': 1, 'b': 2\}"),
        ({3: [1]}, TypeError, "named by text, got 3"),
        ({"a": [[1]]}, TypeError, "'a' has a list"),
        ({"a": np.zeros((2, 2))}, ValueError, r"'a' has shape \(2, 2\)"),
        ({"a": "text"}, TypeError, "give a list"),
        ({"a": [1 + 2j]}, TypeError, "complex"),
    ],
)
def test_what_is_no_table_is_refused(columns, error, says):
    with pytest.raises(error, match=says):
        Table(columns)


def test_sorting_keeps_equal_rows_in_order_and_missing_ones_last():
    table = Table({"x": [2.0, float("nan"), 1.0, None, 2.0], "row": range(5)})
    assert table.sorted_by("x")["row"] == (2, 0, 4, 1, 3)
    assert table.sorted_by("x", descending=True)["row"] == (0, 4, 2, 1, 3)
    assert Table({"t": ["b", None, "a"]}).sorted_by("t")["t"] == ("a", "b", None)
    with pytest.raises(TypeError, match="text and numbers"):
        Table({"t": ["b", 1]}).sorted_by("t")
    with pytest.raises(KeyError, match="no column 'y'; there are x, row"):
        table.sorted_by("y")


def test_where_takes_the_rows_of_a_mask():
    assert TABLE.where(~np.array(TABLE["dead"]))["unit"] == ("b", "c")
    assert len(TABLE.where([False] * 3)) == 0
    for mask in ([0, 1, 2], [True], [[True] * 3]):
        with pytest.raises(ValueError, match="3 booleans, one a row"):
            TABLE.where(mask)


def test_a_csv_file_has_all_and_runs_nothing(tmp_path):
    names = ["=1+1", "+a", "-b", "@c", "\tx", 'quo"te,é', "fine", ""]
    table = Table({"=name": names, "x": [-1.5, 2, None, float("nan"), True, 1e-30, 0.1, -3]})
    table.to_csv(tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=name", "x"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "'+a", "'-b", "'@c", "'\tx", 'quo"te,é', "fine", ""]
    assert [row[1] for row in rows[1:]] == ["-1.5", "2", "", "nan", "True", "1e-30", "0.1", "-3"]


ODD = ["a;b", "a,b", 'say "so"', "two\nlines", "two\rlines", "two\r\nlines", "a\tb", '"', ";", "plain", "", " spaced "]


@pytest.mark.parametrize("end", [",", ";"])
def test_no_text_becomes_two_cells_whichever_sign_sets_them_apart(end):
    file = io.StringIO(newline="")
    Table({"one;two": ODD}).to_csv(file)
    file.seek(0)
    assert [*csv.reader(file, delimiter=end)] == [["one;two"], *([text] for text in ODD)]


def test_an_open_file_gets_what_a_path_gets(tmp_path):
    not_utf8 = b"caf\xe9".decode(errors="surrogateescape")  # as Python has such a folder's name
    table = Table({"=a": ["x,\ny", "@z", not_utf8], "n": [1, None, 2.5]})
    file = io.StringIO(newline="")
    table.to_csv(file)
    table.to_csv(tmp_path / "a.csv")
    assert file.getvalue() == (tmp_path / "a.csv").read_bytes().decode()
    file.seek(0)
    assert [*csv.reader(file)] == [["'=a", "n"], ["x,\ny", "1"], ["'@z", ""], ["caf\\udce9", "2.5"]]


def test_a_csv_file_is_whole_or_not_there(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("before")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        TABLE.to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_frames_and_their_absence(monkeypatch):
    expected = pd.DataFrame({"unit": ["a", "b", "c"], "rate": [0.25, np.nan, 0.5], "dead": [True, False, False]})
    pd.testing.assert_frame_equal(TABLE.to_frame(), expected)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        TABLE.to_frame()


def test_a_notebook_shows_escaped_text_and_says_how_many_rows_are_left_out():
    page = Table({"<b>": ["<script>"] * 23, "x": [1 / 3] * 23})._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert page.count("&lt;script&gt;") == 20
    assert "0.3333<" in page
    assert "and 3 more rows" in page
    assert "more rows" not in TABLE._repr_html_()
