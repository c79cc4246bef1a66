"""Networks whose weights are the same in every test."""

import torch
from torch import nn


def seeded(*modules):
    """One after the other, with weights drawn from seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in modules:
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return nn.Sequential(*modules)
