"""Merging LoRA adapters with each other: PEFT's ``add_weighted_adapter``, as recipes with ``adapters``."""
