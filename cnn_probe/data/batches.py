"""Any data as batches that can be read again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnn_probe.data.batch_parts import check_labels, count_of, own, parts_of, pictures_of, rows_of
from cnn_probe.data.digests import Digest, digest_of, said_of
from cnn_probe.data.images import ImageSet
from cnn_probe.data.picture_folder import PictureFolder
from cnn_probe.data.preprocessing import Preprocess, Preprocessing
from cnn_probe.data.reading import SOME, length_of, pick, read
from cnn_probe.data.refusals import refuse
from cnn_probe.system.ranges import is_whole

FEW = 8  # pictures that tell what preprocess makes of them; samples that tell whether two passes agree


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples.

    Attributes
    ----------
    inputs : tuple
        What the network is called with: ``network(*inputs, **keywords)``.
    keywords : dict
        What it is called with by name.
    pictures : float32 Tensor of shape (n, channels, height, width) or None
        What is shown and factored: pixels in [0, 1]. None if there are no pictures.
    labels : int64 Tensor of shape (n,) or None
    n : int
        Samples.
    """

    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    pictures: Tensor | None
    labels: Tensor | None
    n: int

    def head(self, n: int) -> Batch:
        """Return the first samples, n at most."""
        if n >= self.n:
            return self
        inputs, keywords, pictures, labels = (
            rows_of(part, self.n, slice(0, n)) for part in (self.inputs, self.keywords, self.pictures, self.labels)
        )
        return Batch(inputs, keywords, pictures, labels, n)


class Source:
    """Data as batches, which can be read again and again; `as_source` makes it.

    Attributes
    ----------
    data
        As it was given.
    n : int or None
        Number of samples; None where only reading tells, until all has been read once.
    preprocess : callable or None
        Makes what the network is fed out of pictures.
    why_no_pictures : str
        Why the batch that was read last has none; empty if it has.
    """

    def __init__(self, data: Any, preprocess: Preprocess | None = None, *, begins: int = 0) -> None:
        self.preprocess, self.why_no_pictures = preprocess, ""
        self.data, self._begins = data, begins  # the number of its first sample, of a part of more
        self._preprocessing = None if preprocess is None else Preprocessing(preprocess)
        self._first: list[bytes] = []
        length = length_of(data)
        self.n = None if length is None else begins + length

    def batches(self, batch_size: int, start: int = 0) -> Iterator[Batch]:
        """Read batches of so many samples, or as a DataLoader and other iterables give them, from sample ``start`` on.

        Raises
        ------
        TypeError, ValueError
            If a batch is none, pictures to be preprocessed are not in [0, 1] or hold NaN, labels are no classes,
            preprocess fails, or the samples are not those of an earlier pass.
        """
        if not is_whole(batch_size):
            raise ValueError(f"batch_size must be 1 or more, got {batch_size!r}")
        return (self._made(raw) for raw in self._raw(batch_size, start))

    def picked(self, numbers: Sequence[int]) -> Batch:
        """Return some samples, by their numbers; where data can only be read from the first on, all are read over."""
        return self._made(_Raw(pick(self.data, numbers), "the samples picked"))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with whatever is fed, shown or a label; reads all data once.

        What is fed counts, not how it is cut into batches. ``preprocess`` counts by what it makes of the first pictures
        and by its repr, unless it is a plain function, which says nothing of itself but a name.

        Raises
        ------
        ValueError
            As in `batches`, or if preprocess makes something else each time.
        """
        if isinstance(self.data, ImageSet | PictureFolder):
            own_digest = self.data.fingerprint()
            if self._preprocessing is None:
                return own_digest
            parts = own_digest.encode() + self._behaviour(self._pictures())
        else:
            parts = self._content()
        whole = hashlib.sha256(b"batches 2" + parts + said_of(self.preprocess).encode("utf-8", "surrogatepass"))
        return whole.hexdigest()[:16]

    def _content(self) -> bytes:
        """Of all samples, and of what is made of the first pictures."""
        counted = Digest()
        few: list[Tensor] = []
        for raw in self._raw(SOME, 0):
            for name, value in raw.parts.items():
                counted.add(name, value, raw.n)
            if self._preprocessing is not None and sum(len(one) for one in few) < FEW:
                few.append(self._shown(raw)[:FEW].clone())
        return counted.digest() + self._behaviour(few)

    def _pictures(self) -> list[Tensor]:
        return [self._shown(raw) for raw in self._raw(FEW, 0, only_first=True)]

    def _behaviour(self, pictures: list[Tensor]) -> bytes:
        """What preprocess makes of a few pictures."""
        if self._preprocessing is None or not pictures:
            return b""
        few = torch.cat(pictures)[:FEW]
        made = [[digest_of(part) for part in self._preprocessing(few, "samples 0 on")] for _ in range(2)]
        if made[0] != made[1]:
            raise ValueError(
                "preprocess makes something else of the same pictures each time; leave out what is random in it"
            )
        return b"".join(made[0])

    def _raw(self, batch_size: int, start: int, only_first: bool = False) -> Iterator[_Raw]:
        """Batches as they came, counted and checked."""
        at, labelled = start, None
        for given in read(self.data, batch_size, start - self._begins):
            raw = _Raw(given, f"samples {at} on")
            if labelled not in (None, raw.labels is not None):
                raise ValueError(f"{raw.where} have {'no ' * labelled}labels, unlike those before; give all or none")
            labelled = raw.labels is not None
            self._compare(raw, at)
            at += raw.n
            if self.n is not None and at > self.n:
                raise self._miscounted(f"{at} or more")
            yield raw
            if only_first:
                return
        if self.n is not None and at != self.n:
            raise self._miscounted(str(at))
        self.n = at

    def _miscounted(self, found: str) -> ValueError:
        return ValueError(
            f"data says that it has {self.n} samples, or had, and gave {found}; several passes are made over it, which "
            "must agree"
        )

    def _compare(self, raw: _Raw, at: int) -> None:
        """Refuse first samples that are not those of an earlier pass: shuffled, or changed at random."""
        if isinstance(self.data, ImageSet | PictureFolder):
            return
        for number in range(at, min(at + raw.n, FEW)):
            found = digest_of({name: rows_of(value, raw.n, number - at) for name, value in raw.parts.items()})
            if number == len(self._first):
                self._first.append(found)
            elif number < len(self._first) and found != self._first[number]:
                raise ValueError(
                    f"data gave another sample {number} than in an earlier pass, and several are made: leave out what "
                    "shuffles it, or changes it at random"
                )

    def _shown(self, raw: _Raw) -> Tensor:
        pictures, why = pictures_of(raw.inputs, raw.keywords, raw.where)
        if pictures is None:
            raise ValueError(f"preprocess= takes pictures in [0, 1], from before any normalisation; {why}")
        return pictures

    def _made(self, raw: _Raw) -> Batch:
        if self._preprocessing is not None:
            pictures = self._shown(raw)
            self.why_no_pictures = ""
            return Batch(self._preprocessing(pictures, raw.where), {}, pictures, raw.labels, raw.n)
        shown, self.why_no_pictures = pictures_of(raw.inputs, raw.keywords, raw.where)
        return Batch(own(raw.inputs), own(raw.keywords), shown, raw.labels, raw.n)


class _Raw:
    """A batch as it came: what is fed by place and by name, and its labels."""

    def __init__(self, given: Any, where: str) -> None:
        self.where = where
        self.inputs, self.keywords, self.labels = parts_of(given)
        self.n = count_of(self.inputs, self.keywords, where)
        if self.labels is not None:
            check_labels(self.labels, self.n, where)

    @property
    def parts(self) -> dict[str, Any]:
        """All of it, by names that are told apart."""
        placed = {f"input {number}": value for number, value in enumerate(self.inputs)}
        named = {f"keyword {name}": value for name, value in self.keywords.items()}
        return placed | named | ({} if self.labels is None else {"labels": self.labels})


def as_source(data: Any, preprocess: Preprocess | None = None) -> Source:
    """Return any data as batches.

    Parameters
    ----------
    data : ImageSet, Tensor, ndarray, Dataset, DataLoader, or iterable of batches
        What can be read again and again; nothing is held whole but what is whole already. Passes over it must agree,
        so nothing may shuffle, nor change samples at random. An iterator or a generator, which can be read once, is
        refused.

        - A tensor or an array (n, ...) is fed in slices. An array may be a memory map.
        - A Dataset gives samples, which PyTorch's default collation makes batches of. Pillow's images become tensors in
          [0, 1], of one channel if they are grey, else of three. So it is with an IterableDataset.
        - A DataLoader keeps its own batches and collation, and ``batch_size`` then has no effect.
        - Any other iterable that begins anew each time, as a list, gives batches.

        A batch, or a sample of a Dataset, is

        - a tensor, which the network is called with;
        - a tuple or list whose last element is a whole number for each sample: those are the labels, as torchvision
          gives them, and what is before them is fed: ``(pictures, labels)``, ``(a, b, labels)``, ``((a, b), labels)``.
          To feed whole numbers last, put what is fed into a tuple of its own: ``((tokens, lengths),)``;
        - any other tuple or list of tensors: ``network(*inputs)``;
        - a mapping: ``network(**batch)``, but for ``"labels"`` or ``"label"``, which is not fed.

        Pictures are what is fed, if that is one floating tensor (n, channels, height, width) in [0, 1]; a uint8 one is
        shown divided by 255 and, without ``preprocess``, fed as it is.
    preprocess : callable, default=None
        Makes what the network is fed out of pictures (n, channels, height, width) in [0, 1]: one tensor, or a tuple,
        with a row for each picture. A transform of torchvision works as it is; one that takes no batch is given one
        picture at a time, as a tensor or, if it fails on that, as a Pillow image.

    Raises
    ------
    TypeError
        If it is anything else, or can be read only once.
    ValueError
        If a DataLoader shuffles, or there are no samples in an array.

    Examples
    --------
    >>> pairs = [(torch.ones(2, 1, 4, 4), torch.tensor([0, 1])), (torch.ones(1, 1, 4, 4), torch.tensor([1]))]
    >>> [(batch.n, batch.labels.tolist()) for batch in as_source(pairs).batches(10)]
    [(2, [0, 1]), (1, [1])]
    >>> batch = next(as_source([{"tokens": torch.zeros(3, 7, dtype=torch.int64)}]).batches(10))
    >>> batch.inputs, list(batch.keywords), batch.pictures
    ((), ['tokens'], None)
    >>> two = torch.utils.data.TensorDataset(torch.ones(5, 2), torch.ones(5, 4))
    >>> [[tuple(part.shape) for part in batch.inputs] for batch in as_source(two).batches(3)]
    [[(3, 2), (3, 4)], [(2, 2), (2, 4)]]
    """
    if preprocess is not None and not callable(preprocess):
        raise TypeError(f"preprocess must be a function of pictures, got a {type(preprocess).__name__}")
    if isinstance(data, Source):
        if preprocess is not None and preprocess is not data.preprocess:
            raise ValueError("data is a Source, which has its own preprocess; give preprocess to as_source alone")
        return data
    refuse(data)
    return Source(data, preprocess)
