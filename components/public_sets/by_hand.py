"""Data sets that nobody may hand on without a form: how to get them, and how they are read then."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from components.data.named_set import Located, NamedSet
from components.errors import DataError


@dataclass(frozen=True)
class ByHand(NamedSet):
    """A data set that is got by hand.

    Attributes:
        how: the steps, in a line.
    """

    form: str
    what: str
    size: str
    licence: str
    how: str
    consent: str | None = None

    @override
    def locate(self, rest: str, source: str | None, target: str | None) -> Located:
        raise DataError(f"{self.name}:{rest}: {self.how}")

    @override
    def fetch(self, rest: str, source: str | None, target: str | None) -> Located:
        return self.locate(rest, source, target)


COMMON_VOICE = ByHand(
    form="common_voice",
    what="read sentences in 130 languages",
    size="up to 90 GB a language",
    licence="CC0",
    how="fetch a language at https://datacollective.mozillafoundation.org (an account is needed), unpack it, "
    "and name its table: --data cv/de/test.tsv",
)
MUST_C = ByHand(
    form="must_c",
    what="TED talks in English with translations into 14 languages (Di Gangi et al. 2019)",
    size="50 GB a language",
    licence="CC BY-NC-ND 4.0",
    how="ask for it at https://mt.fbk.eu/must-c, make cuts with `lhotse prepare must-c`, and name them: "
    "--data cuts.jsonl.gz",
)
EUROPARL_ST = ByHand(
    form="europarl_st",
    what="debates of the European Parliament in 9 languages with translations (Iranzo-Sanchez et al. 2020)",
    size="20 GB",
    licence="CC BY-NC 4.0",
    how="fetch https://www.mllp.upv.es/europarl-st, and write its segments.lst with .LANG files as a "
    "manifest (audio, offset, duration, transcript, references)",
)
