"""Kinds of nodes that revise texts in rounds and judge them."""
