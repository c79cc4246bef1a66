"""Images and their labels, and data sets of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NewType

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnn_probe.system.names import shown_all
from cnn_probe.system.ranges import way_back

Pictures = NewType("Pictures", Tensor)  # what people are shown: pixels in [0, 1]
Inputs = NewType("Inputs", Tensor)  # what a network is fed


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images, with their labels where there are any.

    Parameters
    ----------
    images : float32 Tensor of shape (n_images, n_channels, height, width)
        Pixels in [0, 1], not normalised.
    labels : int64 Tensor of shape (n_images,) or None, default=None
        The class of each image, counted from 0; None for unlabelled images.

    Raises
    ------
    ValueError
        If a shape, a dtype or a value is not as above, or there is no image.
    TypeError
        If images or labels are anything but tensors.

    Examples
    --------
    >>> ImageSet(torch.zeros(3, 1, 28, 28), torch.tensor([0, 1, 1])).subset([0, 2])
    ImageSet(2 images of 1×28×28, labelled)
    """

    images: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not isinstance(images, Tensor):
            raise TypeError(f"images must be a Tensor, got {type(images).__name__}; {_instead_of(images)}")
        if images.ndim != 4 or images.dtype != torch.float32 or not images.numel():
            raise ValueError(
                "images must be a float32 tensor (n_images, n_channels, height, width) with at least one image, "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        low, high = (float(end) for end in torch.aminmax(images))
        if math.isnan(low):
            raise ValueError("images must be finite and in [0, 1], got NaN; replace it")
        if not (low >= 0 and high <= 1):
            raise ValueError(f"images must be finite and in [0, 1], got {low:g} to {high:g}; {way_back(low, high)}")
        if labels is not None and not isinstance(labels, Tensor):
            kind = type(labels).__name__
            raise TypeError(
                f"labels must be a Tensor, got {kind}; torch.as_tensor(labels, dtype=torch.int64) makes one"
            )
        if labels is not None and (labels.dtype != torch.int64 or labels.shape != images.shape[:1]):
            raise ValueError(
                f"labels must be an int64 tensor of shape ({len(images)},), one an image, "
                f"got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        if labels is not None and labels.min() < 0:
            raise ValueError(f"labels must count classes from 0, got {labels.min()}; None means unlabelled")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pictures(self) -> Pictures:
        """The images as people are shown them."""
        return Pictures(self.images)

    @property
    def inputs(self) -> Inputs:
        """The images as a network is fed them: so far, the pictures."""
        return Inputs(self.images)

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.images.shape[1:]))
        return f"ImageSet({len(self)} images of {shape}, {'un' * (self.labels is None)}labelled)"

    def subset(self, indices: Tensor | np.ndarray | list[int]) -> ImageSet:
        """Return the images (and labels) that ``indices`` (or a boolean mask) picks, in that order."""
        chosen = torch.as_tensor(indices)
        return ImageSet(self.images[chosen], None if self.labels is None else self.labels[chosen])

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with the shape, any pixel or any label."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        for part in (self.images, self.labels):
            if part is not None:
                digest.update(np.ascontiguousarray(part.cpu().numpy()).data)
        return digest.hexdigest()[:16]


def _instead_of(images: Any) -> str:
    """Say what to give instead of what is no tensor."""
    if isinstance(images, ImageData):
        return "take .train or .test"
    if isinstance(images, tuple | list | Dataset | DataLoader):
        return "give an ImageSet(images, labels), of all images in one tensor and all labels in another"
    return "torch.as_tensor makes one of an array"


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: images to train on, images to test on, and the names of the classes.

    Parameters
    ----------
    name : str
    train, test : ImageSet
        Of one image size and one number of channels.
    class_names : tuple of str
        ``class_names[label]`` is the class that a label stands for.

    Raises
    ------
    ValueError
        If the two sets differ in image shape, or a label has no name.
    """

    name: str
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        shapes = [tuple(part.images.shape[1:]) for part in (self.train, self.test)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"train images are {shapes[0]} but test images {shapes[1]}; resize one of them")
        for labels in (self.train.labels, self.test.labels):
            if labels is not None and labels.max() >= self.n_classes:
                raise ValueError(f"class_names has {self.n_classes} names, but there is a label {labels.max()}")

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.train.images.shape[1]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of an image, in pixels."""
        return self.train.images.shape[2], self.train.images.shape[3]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any pixel or label of either set."""
        return hashlib.sha256((self.train.fingerprint() + self.test.fingerprint()).encode()).hexdigest()[:16]

    def class_indices(self, names: Iterable[str | int]) -> tuple[int, ...]:
        """Return the labels of the named classes, in the order given; an int is taken for a label.

        Raises
        ------
        ValueError
            If a class is unknown; the message lists those there are.
        """
        labels: dict[str | int, int] = {name: label for label, name in enumerate(self.class_names)}
        labels |= {label: label for label in range(self.n_classes)}
        wanted = list(names)
        unknown = ", ".join(repr(name) for name in wanted if name not in labels)
        if unknown:
            raise ValueError(
                f"{self.name} has no class {unknown}; its classes are {', '.join(shown_all(self.class_names))}"
            )
        return tuple(labels[name] for name in wanted)
