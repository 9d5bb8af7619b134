"""Texts, order of the n-best lists and scores of the four system presets and of every file of examples/.

``python -m tests.golden.systems check`` runs the cases of cases.yaml and compares them with outputs.json;
``write`` writes that file again. Both take names of cases.
"""
