"""Averages, soups and task vectors of translation models on Multi30k."""
