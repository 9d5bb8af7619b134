"""Sparse mixtures of experts: routing, dispatch, layers, upcycling, and sparse products below them.

``layer`` is the place to start reading: a router chooses k of E experts for each token, ``dispatch`` sorts
the tokens by expert, ``feedforward`` computes, ``combine`` puts the weighted outputs back.
"""

from components.experts.config import ExpertsConfig
from components.experts.layer import Experts, SparseBlock, sparse_blocks, watched
from components.experts.router import Router, Routing, route

__all__ = [
    "Experts",
    "ExpertsConfig",
    "Router",
    "Routing",
    "SparseBlock",
    "route",
    "sparse_blocks",
    "watched",
]
