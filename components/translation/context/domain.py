"""The domain of a translation model: what it was made for, and whether a text is like it.

A small model translates whatever it is given, fluently, also when it has seen nothing of the kind. Beside
its weights a model of ours keeps ``domain.json``: which pieces of its vocabulary its training had met, how
long its development sentences were, and how likely its own translations of them were. A sentence that lies
outside in one of the three is *unfamiliar*. Measured on ``packaged:multi30k-en-de``: 4 to 6% of unseen
captions are unfamiliar, 70% of the transcripts of human recordings, 80% of Tatoeba's English
(docs/results/domain.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError

from components import models
from components.errors import ModelError
from components.models.checkpoints import DOMAIN, read_json
from components.models.packages.packaged_models import ROWS
from components.models.references import shorten_keys
from components.records import Record
from components.run_record import StageRef
from components.storage.shards.tallies import features_in
from components.storage.stages.reader import read_nbests, read_tallies, read_utterances
from components.text.languages import two_letters_of

UNFAMILIAR_FEATURE = "unfamiliar"
"""The feature of a hypothesis: the share of its source's sentences that are unfamiliar, 0 to 1."""
WARN_ABOVE = 0.1
"""Share of unfamiliar texts above which a run says so; unseen captions stay below it."""
FEW_DEV, WARN_ABOVE_OF_FEW = 100, 0.5
"""With fewer development sentences the limits are those of the few, which many texts like them exceed."""

Piece = int
ScoredSentence = tuple[Sequence[Piece], float, int]
"""A sentence's source pieces, summed log-probability (nats) of its best translation, tokens of that."""


class Domain(Record):
    """The limits of a model's development sentences."""

    description: str = Field(description="what the model was made for, as one would say it")
    known: str = Field(
        pattern=r"^[0-9a-f]+$", description="bit mask in hexadecimal; piece 0 is the lowest bit"
    )
    max_pieces: int = Field(ge=1, description="pieces of a sentence")
    max_unknown: float = Field(ge=0, le=1, description="share of pieces that training hardly met")
    min_log_prob: float = Field(le=0, description="nats per token of the best translation")
    n_dev: int = Field(ge=1, description="development sentences that the limits were measured on")

    def is_unfamiliar(self, sentence: ScoredSentence) -> bool:
        """Return whether a sentence lies outside."""
        pieces, score, n_tokens = sentence
        return (
            len(pieces) > self.max_pieces
            or unknown_share(pieces, self._known) > self.max_unknown
            or score / max(1, n_tokens) < self.min_log_prob
        )

    @cached_property
    def _known(self) -> frozenset[Piece]:
        bits = bin(int(self.known, 16))[:1:-1]
        return frozenset(piece for piece, bit in enumerate(bits) if bit == "1")


def read_domain(folder: Path) -> Domain | None:
    """Return the domain in a model's folder; None where it has none. ModelError where it is damaged."""
    if not (folder / DOMAIN).is_file():
        return None
    try:
        return Domain.model_validate(read_json(folder / DOMAIN))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ModelError(f"{folder / DOMAIN}: {where}: {fault['msg']}; fetch the model again") from None


def format_warning(model: str, domain: Domain, unfamiliar: int, total: int, languages: Sequence[str]) -> str:
    """Return the line for a user many of whose texts are unfamiliar, with models that may do better.

    Args:
        model: reference of the model.
        domain: what it was made for.
        unfamiliar: texts that are unfamiliar.
        total: all texts.
        languages: source and target, as far as they are known.
    """
    codes = [two_letters_of(language) for language in languages]
    others = [row.name for row in ROWS if tuple(codes) in row.translates and DOMAIN not in row.files_sha256]
    packaged = "".join(f", packaged:{name} (a language model)" for name in others)
    return (
        f"{model} was made for {domain.description}, and {unfamiliar:,} of {total:,} texts are unlike these: "
        f"their translations are probably wrong. Better: "
        f"hub:Helsinki-NLP/opus-mt-{'-'.join(codes)} or another of the hub{packaged}"
    )


def unknown_share(pieces: Sequence[Piece], frequent: frozenset[Piece]) -> float:
    """Return the share of the pieces that are not among the frequent ones."""
    return sum(piece not in frequent for piece in pieces) / len(pieces) if pieces else 0.0


def domain_notes(ref: StageRef, model: str, data: StageRef, store_url: str | None) -> list[str]:
    """Note, in one line, that many texts of ``data`` are unfamiliar to ``model``, which wrote ``ref``."""
    measured = features_in(read_tallies(ref)).get(UNFAMILIAR_FEATURE)
    if measured is None or measured.at_least_half <= WARN_ABOVE * measured.n:
        return []
    domain = read_domain(Path(models.resolve(model, store_url).path))
    if domain is None:
        return []
    if domain.n_dev < FEW_DEV and measured.at_least_half <= WARN_ABOVE_OF_FEW * measured.n:
        return []
    first = next(read_utterances(data))
    read = next((nbest.language for nbest in read_nbests(ref) if nbest.language), first.source_language)
    languages = [code for code in (read, first.target_language) if code]
    name, unlike = shorten_keys(model), measured.at_least_half
    return [f"{ref.stage}: {format_warning(name, domain, unlike, measured.n, languages)}"]
