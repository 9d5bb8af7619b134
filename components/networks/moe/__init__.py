"""Sparse mixture of experts: a layer in which each token is computed by k of E feed-forward networks.

:mod:`.moe_block` is the place to start reading: :mod:`.router` chooses k experts for each token,
:mod:`.dispatch` sorts the tokens by expert, :mod:`.feedforward` computes, ``combine`` adds up the results.
"""
