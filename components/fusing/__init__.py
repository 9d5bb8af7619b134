"""Fusing: several n-best lists -> one new text, by a trained model or a prompted language model."""
