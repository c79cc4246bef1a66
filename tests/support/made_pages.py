"""Pages as `cnn_probe` makes them, of networks so small that each takes seconds."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from large_page import large_document
from PIL import Image
from torch import nn

from cnn_probe import Answers, PictureFolder, ask, compare, probe, refits
from cnn_probe.measures.comparing.comparison import Comparison
from cnn_probe.report.document.of_result import result_part
from cnn_probe.report.document.shell import render
from cnn_probe.report.pages import Shown, Telling, document_of

SIDE, CLASSES = 12, ("bars", "rows", "blots")
TAGS = ("</script><script>window.hit=1</script>", '"><img src=x onerror=window.hit=1>', "<svg onload=window.hit=1>")
BACKWARDS, LONG = "\u202eelif\u202c שלום", "long " + "x" * 10_000
HOSTILE = (*TAGS, BACKWARDS, LONG, "&lt;b&gt; {{ 7 * 7 }} ${7*7}", "=cmd|' /C calc'!A0")
FACTS = [("network", "a small one"), ("data", "drawn, 90 inputs")]


@dataclass
class Made:
    """A page, what it was rendered from, and the answers, if it is of some."""

    html: str
    document: dict[str, Any]


def page(parts: dict[str, dict[str, Any]], title: str = "Inside a small network", **told: Any) -> Made:
    """A page of results, by what they are called."""
    shown = [Shown(f"rank-{i}", label, part, ("seed-0/inputs.csv",)) for i, (label, part) in enumerate(parts.items())]
    told = {"command": "cnn-probe run --quick", "notes": ["Nothing was left out."], **told}
    document = document_of(shown, Telling(title, ["90 inputs."], FACTS, **told))
    return Made(render(document, mark="own"), document)


def pictures(n: int = 90) -> tuple[torch.Tensor, np.ndarray]:
    """Upright bars, rows and blots at places of their own, with noise; and which each is."""
    generator = torch.Generator().manual_seed(0)
    found, of = 0.15 * torch.rand(n, 1, SIDE, SIDE, generator=generator), np.arange(n) % 3
    for i, kind in enumerate(of.tolist()):
        at = int(torch.randint(2, SIDE - 3, (1,), generator=generator))
        area = [
            (slice(None), slice(at, at + 2)),
            (slice(at, at + 2), slice(None)),
            (slice(at, at + 3), slice(at, at + 3)),
        ]
        found[(i, 0, *area[kind])] += 0.8
    return found.clamp(0, 1), of


class Small(nn.Module):
    """Two layers that have places, and a linear head; layers may be called what one likes."""

    def __init__(self, names: tuple[str, str] = ("relu1", "relu2"), seed: int = 0, channels: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3), nn.Conv2d(6, 8, 3)
        self.names = names
        for name in names:
            self.add_module(name, nn.ReLU())
        self.head = nn.Linear(8 * (SIDE - 4) ** 2, 3)
        with torch.no_grad():
            self.conv1.weight[0], self.conv1.bias[0] = 0, -1  # one that is dead
            self.conv1.weight[1], self.conv1.bias[1] = 2 * self.conv1.weight[2], 2 * self.conv1.bias[2]  # redundant

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of the three classes."""
        found = getattr(self, self.names[0])(self.conv1(images))
        return self.head(getattr(self, self.names[1])(self.conv2(found)).flatten(1))


def trained(images: torch.Tensor, of: np.ndarray, **how: Any) -> Small:
    """Its head knows the classes, nearly."""
    network, labels = Small(**how), torch.as_tensor(of)
    steps = torch.optim.Adam(network.head.parameters(), 0.01)
    for _ in range(60):
        steps.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        steps.step()
    return network.eval()


def answers(k: int = 4, *, seed: int = 0, labelled: bool = True, wrong: int = 3, layers: Any = None) -> Answers:
    """What a network says of the pictures, some of which have another's label."""
    images, of = pictures()
    network = trained(images, of, seed=seed)
    labels = of.copy()
    labels[:wrong] = (labels[:wrong] + 1) % 3
    result = probe(network, images, n_components=k, max_iter=80, layers=layers)
    return ask(result, images, **({"labels": labels, "class_names": CLASSES} if labelled else {}))


def everything(k: int = 4) -> dict[str, Any]:
    """A result's part with all that a page can say of one."""
    first, second = answers(k), answers(k, seed=1)
    compared = compared_with(first, second, "the same network, other weights")
    return result_part(first, full=True, ablation=first.causes(), comparison=compared)


def compared_with(first: Answers, second: Answers, name: str) -> tuple[Comparison, Answers, str]:
    """A result beside a second one, which is called ``name``, each with three other starts."""
    starts = [refits(one.X, one.result.model, 3, random_state=i) for i, one in enumerate((first, second))]
    both = compare(first.result, second.result, starts_a=starts[0], starts_b=starts[1], X_a=first.X, X_b=second.X)
    return both, second, name


def bare() -> Made:
    """A page of inputs that are no pictures, and have no labels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 2))
    inputs = torch.rand(40, 10)
    asked = ask(probe(network, inputs, n_components=3, max_iter=100, inputs=False), inputs)
    return page({"3 patterns": result_part(asked)}, command=None, notes=())


def hostile(folder: Path) -> Made:
    """A page of classes, layers and files with names that would be markup, were they not text."""
    images, of = pictures(36)
    names = ("</script", '"><img src=x onerror=window.hit=1>', "\u202eelif " + "x" * 200)
    for i, (image, kind) in enumerate(zip(images.numpy(), of.tolist(), strict=True)):
        own = folder / names[kind].replace("/", "⁄")
        own.mkdir(parents=True, exist_ok=True)
        called = f"{i}{('<script>window.hit=1<', '=1+1', ' onload=x ' + 'y' * 150, BACKWARDS)[i % 4]}.png"
        Image.fromarray(np.uint8(255 * image[0])).save(own / called)
    data = PictureFolder(folder, SIDE, channels=1)
    layers = ('"><img src=x onerror=window', "<script>window[‘hit’]=1<" + "z" * 300)
    given, labels = torch.stack([data[i][0] for i in range(len(data))]), np.array(data.labels)
    network = trained(given, labels, names=layers)
    asked = ask(probe(network, data, n_components=3, max_iter=60), data, labels=labels, class_names=HOSTILE[:3])
    other = trained(given, labels, names=layers, seed=1)
    second = ask(probe(other, data, n_components=3, max_iter=60), data, labels=labels, class_names=HOSTILE[:3])
    compared = compared_with(asked, second, HOSTILE[0])
    first = result_part(asked, full=True, ablation=asked.causes(), comparison=compared)
    parts = {HOSTILE[0]: first, HOSTILE[4]: result_part(asked)}
    told = {"command": HOSTILE[1], "notes": HOSTILE, "limits": HOSTILE}
    return page(_spoiled(parts), title=HOSTILE[0] + HOSTILE[4], **told)


def _spoiled(parts: dict[str, Any]) -> dict[str, Any]:
    """Also what names no folder or layer can have: a slash, ten thousand letters."""
    for part in parts.values():
        part["inputs"]["names"] = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(len(part["inputs"]["number"]))]
        part["classes"]["names"] = [*HOSTILE[:2], HOSTILE[4]]
        part["network"], part["provenance"] = HOSTILE[0], {"network": HOSTILE[0], "data": HOSTILE[4]}
        part["skipped"] = {name: name for name in HOSTILE}
        part["cards"][0] |= {"answer": HOSTILE[0], "number": HOSTILE[1], "sure": HOSTILE[3], "cannot": HOSTILE[4]}
    return parts


def mapless(document: dict[str, Any]) -> Made:
    """The same page without maps, of a layer most of which is in one channel."""
    document = copy.deepcopy(document)
    for part in document["results"]:
        shares = np.zeros_like(part["layers"][0]["shares"])
        shares[:, 1:4] = 0.988, 0.008, 0.004
        part["layers"][0]["shares"] = shares
        for one in part["layers"] + part["units"]:
            one["maps"] = None
    return Made(render(document, mark="own"), document)


def unreached(document: dict[str, Any]) -> Made:
    """The same page, where no other direction takes as much as the first pattern, and one as much as the second."""
    document = copy.deepcopy(document)
    for part in document["results"]:
        for kind in ("p", "p_alike"):
            part["ablation"][kind][:2] = np.array([1, 2]) / (1 + part["ablation"]["n_shuffles"])
    return Made(render(document, mark="own"), document)


def large() -> Made:
    """A page of a large study, made up."""
    document = large_document()
    return Made(render(document, mark="own"), document)
