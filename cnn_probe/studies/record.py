"""What a study records of one network: numbers, as a type in memory and as plain JSON on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from cnn_probe.measures.diagnostics import enough
from cnn_probe.probing.blocks import Block, blocks_of
from cnn_probe.studies.settings import AS_TRAINED
from cnn_probe.system.names import shown


@dataclass(frozen=True)
class FitRecord:
    """A factorization at one rank.

    Attributes
    ----------
    rmse : float
        √(Σ_b ‖X_b − F H_b‖² / entries), of all blocks together.
    relative_error : float
        Σ_b α_b ‖X_b − F H_b‖² / Σ_b α_b ‖X_b‖²: with balanced weights α_b, the mean over the blocks.
    block_rmse, block_relative_error : dict of str to float
        Of each block. ``block_relative_error``, ‖X_b − F H_b‖² / ‖X_b‖², stays the same when the activations of a layer
        are all multiplied by a number only if the weights are balanced: in a raw fit the larger blocks have their way.
    n_iter : int
        Iterations.
    seconds : float
        Wall-clock time.
    starts : list of float
        ``relative_error`` of each start, first the one that all else is of.
    """

    rmse: float
    block_rmse: dict[str, float]
    block_relative_error: dict[str, float]
    relative_error: float
    n_iter: int
    seconds: float
    starts: list[float]


@dataclass(frozen=True)
class NetworkRecord:
    """A trained network, and all that is counted of it.

    Attributes
    ----------
    training : dict
        The `TrainingRecord`, with its plan.
    treatment : dict
        The `Treatment` of the trained network.
    accuracy : float
        Share of the test images that are classified rightly.
    class_accuracy : dict of int to float
        The same for each label that occurs.
    train_accuracy : float
        Share of the images trained on that are given the label that was trained on.
    dead_neurons, zeros : dict of str to float
        Of each layer, first to last: the part of its neurons that no image activates, and of its activations that are
        zero.
    effective_rank, effective_rank_centred, effective_rank_energy : dict of str to float
        Of each layer: e to the entropy of the singular values' shares (Roy and Vetterli 2007); the same with the mean
        over the images removed; and of the shares of their squares.
    singular_values : dict of str to list of float
        Of each layer, falling.
    svd_floor : dict of int to float
        The least relative error that any factorization of a rank can have.
    root_mean_square : dict of str to float
        Of each block: the channels, then the layers.
    fits : dict of int to FitRecord
        By rank, raw, as in the paper: each block counts by its scale.
    balanced : dict of int to FitRecord
        By rank, with weights by which each block counts the same.
    firing_overlap : list of list of float
        Of the last layer's neurons, for each pair of classes.
    seconds : float
        Wall-clock time of all of it.
    key, arrays, digest : str
        Name of the record, digests of its arrays and of itself; empty until `write_record` has written it.
    page : str
        Digest of what else is told of the network, in ``<key>.page``; empty if nothing is.
    """

    training: dict[str, Any]
    treatment: dict[str, Any]
    accuracy: float
    class_accuracy: dict[int, float]
    train_accuracy: float
    dead_neurons: dict[str, float]
    zeros: dict[str, float]
    singular_values: dict[str, list[float]]
    effective_rank: dict[str, float]
    effective_rank_centred: dict[str, float]
    effective_rank_energy: dict[str, float]
    svd_floor: dict[int, float]
    root_mean_square: dict[str, float]
    fits: dict[int, FitRecord]
    balanced: dict[int, FitRecord]
    firing_overlap: list[list[float]]
    seconds: float
    key: str = ""
    arrays: str = ""
    digest: str = ""
    page: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, first to last."""
        return tuple(self.effective_rank)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that were factored: the channels of the pictures, then the layers."""
        return blocks_of(len(self.root_mean_square) - len(self.layers), self.layers)

    @property
    def saw_everything(self) -> bool:
        """Whether the network was trained on all images in any order: what the other conditions are compared with."""
        plan = self.training["plan"]
        of_all = plan["fraction"] == 1 and plan["n_images"] is None and plan["classes"] is None
        as_meant = plan["order"] == "shuffled" and not plan["shuffle_labels"] and plan["max_steps"] != 0
        return bool(of_all and as_meant and self.as_trained)

    @property
    def as_trained(self) -> bool:
        """Whether nothing was done to the network after its training, and all else is as the settings say."""
        return self.treatment == asdict(AS_TRAINED)

    @property
    def untrained(self) -> bool:
        """Whether it is as it was made."""
        return bool(self.training["plan"].get("max_steps") == 0 and self.as_trained)

    @property
    def class_order(self) -> tuple[int, ...]:
        """The classes in the order in which it was trained on them; none if it was shuffled, or never trained."""
        plan = self.training["plan"]
        if plan["order"] == "shuffled" or plan.get("max_steps") == 0:
            return ()
        trained_on = self.class_accuracy if plan["classes"] is None else plan["classes"]
        return (*plan["order"], *sorted(set(trained_on) - set(plan["order"])))

    def recognizes(self, label: int) -> bool:
        """Whether it classifies more than half of the class's test images rightly."""
        return self.class_accuracy.get(label, 0.0) > 0.5

    @property
    def meant_to_learn(self) -> bool:
        """Whether it can be said to have learned little.

        One that was trained class after class, on labels that were shuffled, or not at all, is not judged: to know
        little is what it is there for.
        """
        plan = self.training["plan"]
        return bool(plan["order"] == "shuffled" and not plan["shuffle_labels"] and plan["max_steps"] != 0)

    @property
    def learned_little(self) -> bool:
        """Whether it was meant to, and knows hardly more than guesses do of the classes that it was trained on."""
        if not self.meant_to_learn:
            return False
        plan = self.training["plan"]
        known = [of for label, of in self.class_accuracy.items() if plan["classes"] is None or label in plan["classes"]]
        return bool(known) and sum(known) / len(known) < enough(1 / len(known))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON gives it back, where the keys of all tables are text."""
        written: dict[str, Any] = _with_text_keys(asdict(self))
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> NetworkRecord:
        """Return the record that `to_json` wrote, or an earlier version that had no digests yet.

        Raises
        ------
        KeyError
            If an entry is missing.
        """
        wanted = [
            field.name
            for field in fields(cls)
            if (field.default is MISSING and field.default_factory is MISSING) or field.name in written
        ]
        held = {name: written[name] for name in wanted}
        for name in ("class_accuracy", "svd_floor", "fits", "balanced"):
            held[name] = {int(key): value for key, value in held[name].items()}
        for name in ("fits", "balanced"):
            held[name] = {rank: FitRecord(**fit) for rank, fit in held[name].items()}
        return cls(**held)


Records = Mapping[str, list[NetworkRecord]]  # by condition, one a seed


def records_of(study: Mapping[str, Any]) -> dict[str, list[NetworkRecord]]:
    """Return the records of a study as it stands in ``results.json``, by condition."""
    return {label: [NetworkRecord.from_json(run) for run in runs] for label, runs in study["records"].items()}


def in_words(label: str) -> str:
    """Return what a condition is called where no figure stands beside it: classes in words, not in braces.

    Examples
    --------
    >>> in_words("{5–9}"), in_words("all, as many as {0}")
    ('classes 5–9', 'all, as many examples as of class 0')
    """
    classes = re.sub(r"\{(\d+(–\d+)?)\}", lambda found: f"class{'es' if found[2] else ''} {found[1]}", label)
    return shown(classes.replace("as many as class", "as many examples as of class"), 60)


def little_learned(results: Mapping[str, Any]) -> list[str]:
    """Say which networks of ``results.json`` have learned little: a line a condition, and each network once."""
    found = {}
    for name, study in results["studies"].items():
        for label, runs in records_of(study).items():
            little = {run.key: run.accuracy for run in runs if run.learned_little}
            if little:
                found[tuple(little)] = (
                    f"study {shown(name)}: {len(little)} of {len(runs)} networks trained on {in_words(label)} have "
                    f"learned little (accuracy {max(little.values()):.1%} at most). What is found in them says little, "
                    "and so do verdicts that stand on them; train longer (epochs=)."
                )
    return list(found.values())


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    return [_with_text_keys(inner) for inner in value] if isinstance(value, list | tuple) else value
