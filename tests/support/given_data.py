"""The same few samples, in every way in which data may be given."""

import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
)

from cnn_probe import ImageSet


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Pairs(Dataset):
    """As torchvision's: (picture, class), of a stated length; counts what it is asked for."""

    def __init__(self, n, says=None, picture=lambda i: torch.full((1, 2, 2), (i % 256) / 255)):
        self.n, self.says, self.picture, self.asked = n, n if says is None else says, picture, []

    def __len__(self):
        return self.says

    def __getitem__(self, index):
        if not 0 <= index < self.n:
            raise IndexError(f"no {index}")
        self.asked.append(index)
        return self.picture(index), index % 3


class Stream(IterableDataset):
    def __init__(self, samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)


class Again:
    def __init__(self, batches):
        self.given = batches

    def __iter__(self):
        yield from self.given


PICTURES, LABELS = rand(7, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1, 2, 1])
SAMPLES = list(zip(PICTURES, LABELS.tolist(), strict=True))
SAME = {
    "images": lambda: ImageSet(PICTURES, LABELS),
    "dataset": lambda: TensorDataset(PICTURES, LABELS),
    "stream": lambda: Stream(SAMPLES),
    "loader": lambda: DataLoader(TensorDataset(PICTURES, LABELS), batch_size=3),
    "loader of a list": lambda: DataLoader(SAMPLES, batch_size=2),
    "loader of batches": lambda: DataLoader([(PICTURES, LABELS)], batch_size=None),
    "list": lambda: list(zip(PICTURES.split(3), LABELS.split(3), strict=True)),
    "list of lists": lambda: [[PICTURES.numpy(), LABELS.tolist()]],
    "again": lambda: Again([((PICTURES[:4],), LABELS[:4]), ((PICTURES[4:],), LABELS[4:])]),
}
