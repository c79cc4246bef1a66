"""Random attacks on what comes from outside, each known by its seed.

``python -m fuzz --seconds 60 --seed 0 models`` from ``tests/`` tries seed 0, 1, ... for a minute, in a process of its
own, so that a crash is a finding, too; ``--seed 17 --cases 1`` tries one again.
"""
