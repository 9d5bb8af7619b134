"""The nearest right word: what a user probably meant, as the end of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_LISTED = 12
"""Names that a message lists where none is near."""
_SPELLING, _WORD = 0.8, 4
"""Similarity from which a name is misspelled; letters from which it may be a part of one."""


def did_you_mean(name: str, options: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``; did you mean X?`` where an option is near, else an empty text.

    Args:
        name: what was given.
        options: what there is.
        cutoff: similarity (`difflib.SequenceMatcher.ratio`) from which an option is near, 0 to 1.
    """
    by_lower_case = {str(option).lower(): str(option) for option in options}
    swapped = [option for option in by_lower_case if sorted(option) == sorted(name.lower())]  # tyni: tiny
    close = swapped or difflib.get_close_matches(name.lower(), by_lower_case, cutoff=max(cutoff, _SPELLING))
    if not close and len(name) >= _WORD:
        close = [option for option in by_lower_case if name.lower() in option][:1]
    if not close:
        alike = [option for option in by_lower_case if len(option) <= 2 * len(name)]  # nope is not entropies
        close = difflib.get_close_matches(name.lower(), alike, n=1, cutoff=cutoff)
    return f"; did you mean {by_lower_case[close[0]]}?" if close else ""


def suggest(name: str, options: Iterable[str]) -> str:
    """Return the option that was probably meant; where none is near, what there is."""
    names = [str(option) for option in options]
    rest = f", and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    known = f"; known: {', '.join(names[:MAX_LISTED])}{rest}" if names else ""
    return did_you_mean(name, names) or known
