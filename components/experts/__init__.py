"""Translation models with experts: training, upcycling, statistics of the routing, contributions.

The layers themselves are in :mod:`components.networks.moe`.
"""
