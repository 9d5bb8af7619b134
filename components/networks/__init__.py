"""Neural network modules of our own: deliberation, edit diffusion, stacked models, mixtures of experts.

They import torch and :mod:`components.compute`; how they are searched is in
:mod:`components.decoding.models`.
"""
