"""Claims of the field: registered before they are run, measured over seeds, judged by a rule.

claims.yaml says what is compared and what is expected; one file of ``experiments/`` measures and keeps the
outputs; docs/evidence.md and the pages of results are made from what was kept.
"""
