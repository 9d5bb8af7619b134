"""Refinement of drafts: self-refine, the deliberation network, edit diffusion; gates and stop rules."""
