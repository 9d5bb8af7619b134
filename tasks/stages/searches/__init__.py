"""Searches: pipelines that are computed together, rung after rung, and what each is worth."""
