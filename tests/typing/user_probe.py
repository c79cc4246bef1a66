"""What a user writes with `cnn_probe`: mypy --strict reads it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_probe import (
    Answers,
    ImageData,
    ImageSet,
    PaperNet,
    PictureFolder,
    ProbeResult,
    StudyResult,
    TrainingPlan,
    ablate,
    ask,
    build_network,
    compare,
    draw,
    evaluate,
    joint_blocks,
    joint_use,
    load_dataset,
    load_network,
    open_store,
    probe,
    refits,
    save_network,
    save_page,
    study,
    train,
)
from coupled_nmf import Blocks, CoupledNMF


def hear(what: str, done: int, total: int) -> None:
    print(what, done, total)


def half(pictures: Tensor) -> Tensor:
    return pictures / 2


def train_and_probe(folder: Path) -> ProbeResult:
    data = load_dataset("digits")
    assert_type(data, ImageData)
    assert_type(data.train, ImageSet)
    assert_type(data.class_names, tuple[str, ...])
    network = build_network(data.in_channels, data.image_size, data.n_classes, seed=0)
    assert_type(network, PaperNet)
    assert_type(train(network, data.train, TrainingPlan(epochs=1)).final_loss, float | None)
    assert_type(evaluate(network, data.test).accuracy, float | None)
    save_network(network, folder / "network.pt")
    assert_type(load_network(folder / "network.pt"), PaperNet)
    result = probe(network, data.test, layers=["relu1", nn.ReLU], n_components=10, preprocess=half, progress=hear)
    assert_type(result, ProbeResult)
    return result


def read(result: ProbeResult, data: ImageSet, folder: Path) -> None:
    assert_type(result.model, CoupledNMF)
    assert_type(result.F, NDArray[Any])
    assert_type(result.layers, tuple[str, ...])
    assert_type(result.accuracy, float | None)
    assert_type(result.neuron_patterns, dict[str, NDArray[Any]])
    assert_type(result.transform(data), NDArray[Any])
    assert_type(result.where(data, factor=3, layer="relu2"), NDArray[np.float32])
    result.save(folder)
    assert_type(ProbeResult.load(folder), ProbeResult)
    answers = ask(result, data, labels=result.labels)
    assert_type(answers, Answers)
    assert_type(answers.units["relu2"].neurons.dead, NDArray[np.bool_])
    assert_type(answers.shares, dict[str, NDArray[np.float64]])
    assert_type(ablate(result, data, "relu2").causes, NDArray[np.bool_])
    assert_type(save_page(answers, folder / "page.html"), Path)
    assert_type(sorted(draw(answers)), list[str])


def compare_two(a: ProbeResult, b: ProbeResult, X: Blocks, other: Blocks) -> None:
    print(compare(a, b, starts_a=refits(X, a.model, 3)))
    both = joint_blocks(X, other)
    assert_type(both, Blocks)
    model = CoupledNMF(10)
    print(joint_use(both, model, model.fit_transform(both)))


def from_elsewhere(network: nn.Module, folder: Path) -> None:
    pictures = PictureFolder(folder, size=224)
    assert_type(pictures.fingerprint(), str)
    probe(network, pictures, store=folder / "store", pool={"layer4": "mean"}, random_state=0)
    assert_type(open_store(folder / "store"), Blocks)


def what_holds(data: ImageData, folder: Path) -> None:
    found = study(["fraction", "order"], data, folder, ranks=[10], seeds=[0, 1], progress=hear)
    assert_type(found, StudyResult)
    assert_type(found.claims, tuple[dict[str, Any], ...])
    assert_type(found.table()["verdict"], tuple[str | int | float | bool | None, ...])
    assert_type(found.save_page(folder / "page.html"), Path)


def what_is_wrong(network: nn.Module) -> None:
    """An ignored error that is none would be one: these are found."""
    probe(network)  # type: ignore[call-arg]
    probe(network, None, n_components="ten")  # type: ignore[arg-type]
    load_dataset(3)  # type: ignore[arg-type]
