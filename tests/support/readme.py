"""The README's blocks of Python, and the arrays that they name: for tests, and where a release is tried."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def snippets(part):
    """The blocks under a heading."""
    text = README.read_text(encoding="utf-8").split(f"## {part}")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(code, names):
    """Run a block among names, and let it add its own."""
    exec(compile(code, "README.md", "exec"), names)


def named_arrays():
    """What the part on the estimator does not make itself, by name."""
    import numpy as np

    from coupled_nmf import make_coupled_blocks

    X, _, _ = make_coupled_blocks(90, {"pixels": 40, "conv1": 30, "conv2": 20}, 12, noise=0.1, random_state=0)
    return {"D": X["pixels"], "A0": X["conv1"], "A1": X["conv2"], "D_new": X["pixels"][:5], "np": np}
