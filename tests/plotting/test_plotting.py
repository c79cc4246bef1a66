"""Displays: what is drawn is what was given."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from coupled_nmf import (
    BiCrossValidation,
    Blocks,
    ComponentsDisplay,
    ConvergenceDisplay,
    CoupledNMF,
    Holdout,
    HoldoutFit,
    RankCurveDisplay,
    StabilityDisplay,
    make_coupled_blocks,
    rank_path,
    stability,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    return make_coupled_blocks(60, {"a": 12, "b": 6}, 3, noise=0.2, random_state=0)[0]


@pytest.fixture(scope="module")
def model(X):
    return CoupledNMF(3, random_state=0).fit(X)


@pytest.fixture(scope="module")
def path(X):
    return rank_path(X, [4, 2, 3], n_init=2, estimator=CoupledNMF(random_state=0))


def legend_of(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_rank_curve_of_a_path(path):
    display = RankCurveDisplay.from_rank_path(path)
    expected = [path.best[rank].rmse for rank in (2, 3, 4)]
    np.testing.assert_array_equal(display.line_.get_xdata(), [2, 3, 4])
    np.testing.assert_array_equal(display.line_.get_ydata(), expected)
    dots = sorted(map(tuple, display.dots_.get_offsets().tolist()))
    assert dots == sorted((fit.rank, fit.rmse) for fit in path.fits)
    assert display.chosen_line_ is None
    assert legend_of(display) == ["restart", "lowest of restarts"]
    assert display.ax_.get_xlabel() == "rank (number of components)"
    assert display.figure_ is display.ax_.figure


def test_rank_curve_of_a_holdout():
    errors = {2: [0.5, 0.7], 3: [0.1, 0.3], 5: [0.4, 0.2]}
    holdout = Holdout(tuple(HoldoutFit(k, i, e, {}) for k, found in errors.items() for i, e in enumerate(found)))
    display = RankCurveDisplay.from_holdout(holdout)
    np.testing.assert_allclose(display.line_.get_ydata(), [0.6, 0.2, 0.3])
    assert display.chosen_line_.get_xdata()[0] == 3
    assert legend_of(display) == ["repeat", "mean of repeats", "chosen: 3"]


def test_rank_curve_of_a_search_stands_at_the_best_of_its_other_parameters(X):
    grid = {"couplednmf__n_components": [2, 3, 4], "couplednmf__max_iter": [1, 60]}
    pipeline = make_pipeline(MaxAbsScaler(), CoupledNMF(random_state=0))
    search = GridSearchCV(pipeline, grid, scoring=BiCrossValidation(), cv=3).fit(X.to_array())
    display = RankCurveDisplay.from_search(search)
    results = search.cv_results_
    shown = results["param_couplednmf__max_iter"] == search.best_params_["couplednmf__max_iter"]
    np.testing.assert_allclose(display.line_.get_ydata(), 1 - results["mean_test_score"][shown])
    assert len(display.dots_.get_offsets()) == 9
    assert display.chosen_line_.get_xdata()[0] == search.best_params_["couplednmf__n_components"]


def test_rank_curve_of_a_search_with_several_metrics(X):
    scoring = {"rows": lambda model, X, y=None: model.score(X), "both": BiCrossValidation()}
    search = GridSearchCV(CoupledNMF(random_state=0), {"n_components": [2, 3]}, scoring=scoring, refit="both", cv=2)
    display = RankCurveDisplay.from_search(search.fit(X))
    np.testing.assert_allclose(display.line_.get_ydata(), 1 - search.cv_results_["mean_test_both"])


def test_rank_curve_leaves_out_what_is_not_there():
    display = RankCurveDisplay(ranks=[1, 2], errors=[[1.0, np.nan], [np.nan, np.nan]]).plot()
    np.testing.assert_array_equal(display.line_.get_ydata(), [1, np.nan])
    assert display.dots_.get_offsets().tolist() == [[1, 1]]


def test_many_ranks_are_not_all_named():
    ranks = np.arange(1, 41)
    display = RankCurveDisplay(ranks=ranks, errors=1.0 / ranks[:, None]).plot()
    ticks = display.ax_.get_xticks()
    assert len(ticks) < 15
    assert all(tick == int(tick) for tick in ticks)


def test_stability(X):
    found = stability(X, [2, 3, 5], n_init=3, random_state=0)
    display = StabilityDisplay.from_stability(found, line_kw={"color": "k"})
    np.testing.assert_array_equal(display.line_.get_ydata(), [one.similarity for one in found.by_rank])
    assert display.line_.get_color() == "k"
    expected = np.concatenate([one.component_similarity for one in found.by_rank])
    np.testing.assert_array_equal(display.dots_.get_offsets()[:, 1], expected)
    assert display.ax_.get_ylim()[0] == 0


def test_convergence(X):
    models = {name: CoupledNMF(3, solver=name, random_state=0).fit(X) for name in ("hals", "mu")}
    display = ConvergenceDisplay.from_estimator(models)
    histories = [np.array(model.objective_history_) for model in models.values()]
    lowest = min(history.min() for history in histories)
    for line, history in zip(display.lines_, histories, strict=True):
        above = history > lowest
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(history) + 1))
        np.testing.assert_allclose(line.get_ydata()[above], (history[above] - lowest) / lowest)
    assert len({line.get_linestyle() for line in display.lines_}) == 2
    assert display.ax_.get_yscale() == "log"
    assert legend_of(display) == ["hals", "mu"]


def test_convergence_plain(model):
    display = ConvergenceDisplay.from_estimator(model, relative=False)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), model.objective_history_)
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("history", [[1.0, 0.0], [2.0], [2.0, 2.0]])
def test_what_has_no_logarithm_is_drawn_plain(history):
    display = ConvergenceDisplay(histories={"one": history}).plot()
    assert display.ax_.get_yscale() == "linear"
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), history)
    assert display.ax_.get_ylabel() == "J (in squared units of X)"


def test_components_are_bars_of_the_largest_features_or_images(model):
    display = ComponentsDisplay.from_estimator(model, image_shapes={"a": (3, 4)}, n_features=4)
    assert display.axes_.shape == (2, 3)
    for j in range(3):
        image, H = display.axes_[0, j].images[0].get_array(), model.block_components_["b"][j]
        np.testing.assert_array_equal(image, model.block_components_["a"][j].reshape(3, 4))
        largest = [i for i in np.argsort(-H)[:4] if H[i] > 0]
        np.testing.assert_array_equal([bar.get_width() for bar in display.axes_[1, j].patches], H[largest])
        assert [text.get_text() for text in display.axes_[1, j].get_yticklabels()] == list(map(str, largest))
        assert display.axes_[0, j].get_title() == f"component {j}"
    assert [row[0].get_ylabel() for row in display.axes_] == ["a", "b"]


def test_chosen_components_and_images_in_colour(model):
    display = ComponentsDisplay.from_estimator(model, components=[2, 0], image_shapes={"a": (2, 2, 3)})
    assert [ax.get_title() for ax in display.axes_[0]] == ["component 2", "component 0"]
    assert display.axes_[0, 0].images[0].get_array().max() == 1
    many = ComponentsDisplay(block_components={"a": np.eye(20)}).plot()
    assert many.axes_.shape == (1, 8)


def test_feature_names_are_those_of_the_frame_or_the_ones_given(X):
    pytest.importorskip("pandas")
    frame = load_iris(as_frame=True).data
    model = CoupledNMF(2, blocks={"sepal": 2, "petal": 2}, random_state=0).fit(frame)
    display = ComponentsDisplay.from_estimator(model, feature_names={"petal": ["long", "wide"]})
    assert display.feature_names == {"sepal": ["sepal length (cm)", "sepal width (cm)"], "petal": ["long", "wide"]}
    named = {text.get_text() for ax in display.axes_[1] for text in ax.get_yticklabels()}
    assert named == {"long", "wide"}


def test_they_draw_where_they_are_told(path, model):
    (left, right), grid = plt.subplots(1, 2)[1], plt.subplots(2, 3)[1]
    assert RankCurveDisplay.from_rank_path(path, ax=left).ax_ is left
    assert ConvergenceDisplay.from_estimator(model, ax=right).ax_ is right
    assert ComponentsDisplay.from_estimator(model, axes=grid).axes_[1, 2] is grid[1, 2]
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda m: RankCurveDisplay(ranks=[1, 2], errors=[[1]]), r"errors has shape \(1, 1\) for 2 ranks"),
        (lambda m: RankCurveDisplay(ranks=[1], errors=[[1]], line="median"), "line is 'median'; choose"),
        (lambda m: RankCurveDisplay.from_search(GridSearchCV(m, {})), "search has no best_index_; fit it first"),
        (
            lambda m: StabilityDisplay(ranks=[1], similarities=[1], component_similarities=[]),
            "1 ranks, 1 similarities and 0 component_similarities",
        ),
        (lambda m: ConvergenceDisplay(histories={}), "histories has nothing to draw"),
        (lambda m: ConvergenceDisplay(histories={"a": []}), r"histories has \['a'\] without"),
        (
            lambda m: ComponentsDisplay.from_estimator(m, components=[3]),
            "components is .*; give numbers from 0 to 2",
        ),
        (lambda m: ComponentsDisplay.from_estimator(m, image_shapes={"c": (1, 1)}), "image_shapes names the unknown"),
        (lambda m: ComponentsDisplay.from_estimator(m, image_shapes={"a": (4, 4)}), r"\(4, 4\).*12 entries in all"),
        (lambda m: ComponentsDisplay.from_estimator(m, feature_names={"b": ["x"]}), "has 1 names; .* 6 features"),
        (lambda m: ComponentsDisplay.from_estimator(m, n_features=0), "n_features is 0; draw 1 or more"),
        (lambda m: ComponentsDisplay.from_estimator(m, axes=[None]), "axes has shape .*; give 2 × 3"),
    ],
)
def test_bad_requests(model, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(model)


def test_a_search_without_the_rank_is_refused(X):
    search = GridSearchCV(CoupledNMF(2, random_state=0), {"max_iter": [1, 2]}, cv=2).fit(X)
    with pytest.raises(ValueError, match=r"search varies \['max_iter'\]; one of these has to be n_components"):
        RankCurveDisplay.from_search(search)


def test_models_have_to_be_fitted():
    for display in (ConvergenceDisplay, ComponentsDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(CoupledNMF())


@pytest.mark.parametrize(
    "display", ["RankCurveDisplay(ranks=[1], errors=[[1]])", "ComponentsDisplay(block_components={'a': [[1]]})"]
)
def test_without_matplotlib_they_say_what_to_install(display):
    code = f"import sys; sys.modules['matplotlib'] = None; from coupled_nmf import *; {display}.plot()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    name = display.split("(")[0]
    assert f"ImportError: {name} needs matplotlib: pip install matplotlib" in ended.stderr


def test_components_bear_the_names_of_the_columns_of_blocks():
    pd = pytest.importorskip("pandas")
    X = Blocks({"words": pd.DataFrame(np.eye(4, 3), columns=["the", "of", "and"]), "plain": np.ones((4, 2))})
    display = ComponentsDisplay.from_estimator(CoupledNMF(2, random_state=0).fit(X))
    assert display.feature_names == {"words": ["the", "of", "and"], "plain": ["0", "1"]}


ODD = ["_b", "$\\frac$", "$x$", "a_b^c", "100 $", "$", "b\\c", "", "%"]


@pytest.mark.parametrize("usetex", [False, True])
def test_names_are_drawn_letter_by_letter(usetex):
    with matplotlib.rc_context({"text.usetex": usetex}):  # names are not TeX, either
        display = ConvergenceDisplay(histories={name: [2.0, 1.0] for name in ODD}).plot()
        bars = ComponentsDisplay(block_components={name: np.eye(1, 9) for name in ODD}).plot()
        names = ComponentsDisplay(block_components={"a": np.eye(9)[::-1]}, feature_names={"a": ODD}, components=[0, 8])
        names.plot()
        drawn = [ax.get_yticklabels() for ax in names.axes_[0]]
    assert legend_of(display) == ODD
    assert [row[0].get_ylabel() for row in bars.axes_] == ODD
    assert [[text.get_text() for text in some] for some in drawn] == [ODD[8:], ODD[:1]]
    texts = [*display.ax_.get_legend().get_texts(), *(row[0].yaxis.label for row in bars.axes_), *drawn[0], *drawn[1]]
    for text in texts:
        assert (text.get_parse_math(), text.get_usetex()) == (False, False), text.get_text()
    for one in (display, bars, names):
        if not usetex:  # numbers on axes are, and there may be none
            one.figure_.canvas.draw()


def test_a_legend_keeps_what_else_is_drawn(model):
    ax = plt.subplots()[1]
    ax.plot([1, 2], [0.5, 0.5], label="goal $g$")
    ax.plot([1, 2], [0.7, 0.7])
    display = ConvergenceDisplay(histories={"_b": [2.0, 1.0], "c": [3.0, 1.5]}).plot(ax)
    assert legend_of(display) == ["goal $g$", "_b", "c"]
    assert [text.get_parse_math() for text in ax.get_legend().get_texts()] == [True, False, False]
    assert [handle.get_color() for handle in ax.get_legend().legend_handles] == [
        line.get_color() for line in (ax.lines[0], *display.lines_)
    ]
