"""Training: one loop (``train``) over anything that is a :class:`Learner`, plain PyTorch.

``loop`` is the place to start reading; ``config`` is what can be set, ``learners`` what can be trained.
"""
