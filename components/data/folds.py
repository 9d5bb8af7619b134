"""``fold:2/5:SOURCE``: the second of five parts of a data set; ``fold:-2/5:SOURCE``: all but that part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from components.data.row_reader import DraftedRow
from components.errors import ConfigError, DataError
from components.folds import LARGEST, fold_of

PREFIX = "fold:"
_FOLD = re.compile(r"fold:(-?)([0-9]{1,2})/([0-9]{1,2}):(.+)", re.DOTALL)


class Fold(NamedTuple):
    """A part of a data set: fold ``number`` of ``folds``, or all but it; of ``source``."""

    number: int
    folds: int
    without: bool
    source: str

    def has(self, utterance_id: str) -> bool:
        """Return whether an utterance is in it."""
        return (fold_of(utterance_id, self.folds) == self.number) != self.without

    def take(self, rows: Iterator[DraftedRow], name: str) -> Iterator[DraftedRow]:
        """Yield the rows of this part of a data set, called ``name``.

        Raises:
            DataError: No row is in it.
        """
        count = taken = 0
        for row in rows:
            count += 1
            if self.has(row.id):
                taken += 1
                yield row
        if not taken:
            raise DataError(f"{name}: expected utterances, found none of {count} in it")


def parse_fold(source: str) -> Fold | None:
    """Read the name of a part; None for any other name.

    Raises:
        ConfigError: It begins as one and is none.
    """
    if not source.startswith(PREFIX):
        return None
    match = _FOLD.fullmatch(source)
    number, count = (int(match[2]), int(match[3])) if match else (0, 0)
    if match is None or not 2 <= count <= LARGEST or not 1 <= number <= count:
        raise ConfigError(
            f"{source}: expected fold:K/N:SOURCE (or fold:-K/N:SOURCE, all but that part) with N from 2 to "
            f"{LARGEST} and K from 1 to N, such as fold:1/3:multi30k:train"
        )
    return Fold(number, count, match[1] == "-", match[4])
