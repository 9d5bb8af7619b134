"""Training: one loop over anything that is a :class:`~.learner.Learner`, in plain PyTorch.

:mod:`.trainer` is the place to start reading, :mod:`.config` has the settings; what can be trained is listed
in :mod:`components.training.kinds.train`.
"""
