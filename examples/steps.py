"""Steps of one's own for examples/own_code.yaml: plain functions, without a line of Antiphon.

A function gets one record, a dictionary (components/own_code/plain_records.py says what is in it), and gives
a
text; a list of (text, score), best first; or, for a node that gives a table, a number or the name of a way.
"""

import re


def restore(record):
    """The transcript as a sentence: no word twice in a row, a capital first, a full stop last."""
    text = re.sub(r"\b(\w+)( \1\b)+", r"\1", record["text"].strip(), flags=re.IGNORECASE)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def length_ratio(record):
    """How long the translation is beside its source: far from 1, something was left out or made up."""
    return len(record["text"]) / max(len(record["source"]), 1)
