"""What the components are made of, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from coupled_nmf.data.arrays import to_host
from coupled_nmf.model.estimator import CoupledNMF
from coupled_nmf.plotting.axes import NAME, pyplot

MOST_COMPONENTS = 8  # that are drawn unasked
WIDTH, LETTER, BAR, PICTURE = 1.4, 0.09, 0.22, 1.5  # inches: a panel, a letter beside it, a bar's height, a picture's


class ComponentsDisplay:
    """Each component's largest features in each block as bars, or the block as an image; blocks in rows.

    Make one by `from_estimator`.

    Parameters
    ----------
    block_components : mapping of str to array-like of shape (n_components, n_features_b)
        H of each block.
    components : sequence of int or None, default=None
        Numbers of the components to draw, from 0. None: the first eight.
    image_shapes : mapping of str to tuple of int, default=None
        For each block that is to be drawn as images, (height, width) or (height, width, 3).
    feature_names : mapping of str to sequence of str, default=None
        Names of a block's features. Numbers, from 0, for the blocks that are not named.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_blocks, n_drawn_components)
        The panels.
    figure_ : matplotlib Figure
        The figure.

    Raises
    ------
    ValueError
        If a component or a block is unknown, or a shape or the names do not fit the features.

    Examples
    --------
    >>> from coupled_nmf import ComponentsDisplay, CoupledNMF, make_coupled_blocks
    >>> X, _, _ = make_coupled_blocks(100, {"pixels": 36, "words": 20}, 3, random_state=0)
    >>> model = CoupledNMF(3, random_state=0).fit(X)
    >>> display = ComponentsDisplay.from_estimator(model, image_shapes={"pixels": (6, 6)})
    >>> display.axes_.shape
    (2, 3)
    """

    def __init__(
        self,
        *,
        block_components: Mapping[str, ArrayLike],
        components: Sequence[int] | None = None,
        image_shapes: Mapping[str, tuple[int, ...]] | None = None,
        feature_names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.block_components = {name: np.asarray(H) for name, H in block_components.items()}
        k = len(next(iter(self.block_components.values())))
        self.components = list(range(min(k, MOST_COMPONENTS))) if components is None else list(components)
        if not self.components or min(self.components) < 0 or max(self.components) >= k:
            raise ValueError(f"components is {components}; give numbers from 0 to {k - 1}, one or more.")
        self.image_shapes, names = dict(image_shapes or {}), dict(feature_names or {})
        self._check_blocks(names)
        self.feature_names = {
            block: [str(name) for name in names.get(block, range(H.shape[1]))]
            for block, H in self.block_components.items()
        }

    def _check_blocks(self, feature_names: dict[str, Sequence[str]]) -> None:
        for argument, given in (("image_shapes", self.image_shapes), ("feature_names", feature_names)):
            for name in given:
                if name not in self.block_components:
                    raise ValueError(
                        f"{argument} names the unknown block {name!r}; the blocks are {list(self.block_components)}."
                    )
        for name, shape in self.image_shapes.items():
            size = self.block_components[name].shape[1]
            if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or np.prod(shape) != size:
                raise ValueError(
                    f"image_shapes[{name!r}] is {shape}; give (height, width) or (height, width, 3) with {size} "
                    "entries in all."
                )
        for name, names in feature_names.items():
            size = self.block_components[name].shape[1]
            if len(names) != size:
                raise ValueError(f"feature_names[{name!r}] has {len(names)} names; the block has {size} features.")

    @classmethod
    def from_estimator(
        cls,
        estimator: CoupledNMF,
        *,
        components: Sequence[int] | None = None,
        image_shapes: Mapping[str, tuple[int, ...]] | None = None,
        feature_names: Mapping[str, Sequence[str]] | None = None,
        n_features: int = 5,
        axes: Any = None,
    ) -> ComponentsDisplay:
        """Draw the components of a fitted model.

        Parameters
        ----------
        estimator : CoupledNMF
            Fitted. Names of features that it saw at the fit stand in for ``feature_names`` that are not given.
        components, image_shapes, feature_names
            As for the class.
        n_features, axes
            As for `plot`.

        Returns
        -------
        display : ComponentsDisplay
        """
        check_is_fitted(estimator, "components_")
        seen = getattr(estimator, "feature_names_in_", None)
        names: dict[str, Any] = dict(estimator.block_feature_names_ if seen is None else estimator.layout_.split(seen))
        display = cls(
            block_components=estimator.layout_.split(to_host(estimator.components_)), components=components,
            image_shapes=image_shapes, feature_names={**names, **(feature_names or {})},
        )  # fmt: skip
        return display.plot(axes, n_features=n_features)

    def plot(self, axes: Any = None, *, n_features: int = 5) -> ComponentsDisplay:
        """Draw the components.

        Parameters
        ----------
        axes : array-like of matplotlib Axes of shape (n_blocks, n_drawn_components), default=None
            Where to draw. None: a new figure.
        n_features : int, default=5
            Bars of each component, at most: its largest weights above 0.

        Returns
        -------
        self : ComponentsDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are not as many axes as panels, or ``n_features`` is below 1.
        """
        if n_features < 1:
            raise ValueError(f"n_features is {n_features}; draw 1 or more a component.")
        self.axes_ = self._new_axes(n_features) if axes is None else self._given_axes(axes)
        for (name, H), row in zip(self.block_components.items(), self.axes_, strict=True):
            top = float(H[self.components].max())
            for j, ax in zip(self.components, row, strict=True):
                if name in self.image_shapes:
                    _draw_image(ax, H[j].reshape(self.image_shapes[name]))
                else:
                    _draw_bars(ax, H[j], self.feature_names[name], n_features, top)
            row[0].set_ylabel(name, fontsize="large", **NAME)
        for j, ax in zip(self.components, self.axes_[0], strict=True):
            ax.set_title(f"component {j}", fontsize="medium")
        self.figure_ = self.axes_[0, 0].figure
        self.figure_.align_ylabels(list(self.axes_[:, 0]))
        return self

    def _names_of_bars(self) -> list[str]:
        return [
            feature
            for block, names in self.feature_names.items()
            for feature in names
            if block not in self.image_shapes
        ]

    def _new_axes(self, n_features: int) -> NDArray[Any]:
        plt = pyplot("ComponentsDisplay")
        heights = [
            PICTURE if name in self.image_shapes else BAR * min(n_features, H.shape[1]) + 0.6
            for name, H in self.block_components.items()
        ]
        shape = len(heights), len(self.components)
        longest = max((len(name) for name in self._names_of_bars()), default=0)
        size = (WIDTH + LETTER * longest) * shape[1] + 0.4, sum(heights) + 0.4
        ratios = {"height_ratios": heights}
        return plt.subplots(*shape, figsize=size, squeeze=False, gridspec_kw=ratios, layout="constrained")[1]

    def _given_axes(self, axes: Any) -> NDArray[Any]:
        shape = len(self.block_components), len(self.components)
        given = np.asarray(axes, dtype=object)
        if given.size != shape[0] * shape[1]:
            raise ValueError(f"axes has shape {given.shape}; give {shape[0]} × {shape[1]}, blocks by components.")
        return given.reshape(shape)


def _draw_image(ax: Any, image: NDArray[Any]) -> None:
    """Dark where the component is large; in colours, as parts of the largest entry."""
    if image.ndim == 3:
        ax.imshow(image / max(float(image.max()), np.finfo(image.dtype).tiny))
    else:
        ax.imshow(image, cmap="gray_r", vmin=0)
    ax.set_xticks([])
    ax.set_yticks([])


def _draw_bars(ax: Any, weights: NDArray[Any], names: Sequence[str], n: int, top: float) -> None:
    """The n largest weights above 0, the largest above; one scale for all components of a block."""
    n = min(n, len(weights))
    largest = [i for i in np.argsort(-weights, kind="stable")[:n] if weights[i] > 0]
    ax.barh(np.arange(len(largest)), weights[largest], color="C0", height=0.7)
    ax.set_yticks(np.arange(len(largest)), [names[i] for i in largest], **NAME)
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_xlim(0, 1.05 * top if top > 0 else 1)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("weight")
