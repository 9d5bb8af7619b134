"""Refinement: self-refine, the deliberation network, edit diffusion; gates and stopping rules."""
