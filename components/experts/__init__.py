"""Sparse mixtures of experts: routing, dispatch, layers, upcycling, and sparse products below them.

``layer`` is the place to start reading: a router chooses k of E experts for each token, ``dispatch`` sorts
the tokens by expert, ``feedforward`` computes, ``combine`` puts the weighted outputs back.
"""
