"""Training of translation models: one loop, plain PyTorch."""
