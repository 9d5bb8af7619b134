"""Training: one loop (``loop.train``) over anything that is a ``learner.Learner``, plain PyTorch.

``loop`` is the place to start reading; ``config.TrainingConfig`` is what can be set, ``learners.LEARNERS``
what can be trained.
"""
