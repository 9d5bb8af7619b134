"""The line of a run whose texts are not what its translation model was made for."""

from __future__ import annotations

from pathlib import Path

from components import models
from components.run_record import StageRef
from components.storage.shards.tallies import features_in
from components.storage.stages.reader import read_nbests, read_tallies, read_utterances
from components.translation.context.domain import (
    UNFAMILIAR_FEATURE,
    WARN_ABOVE,
    format_warning,
    read_domain,
)


def domain_notes(ref: StageRef, model: str, data: StageRef, store_url: str | None) -> list[str]:
    """One line where many texts of ``data`` are unfamiliar to ``model``, which translated them in ``ref``."""
    measured = features_in(read_tallies(ref)).get(UNFAMILIAR_FEATURE)
    if measured is None or measured.at_least_half <= WARN_ABOVE * measured.n:
        return []
    domain = read_domain(Path(models.resolve(model, store_url).path))
    if domain is None:
        return []
    first = next(read_utterances(data))
    read = next((nbest.language for nbest in read_nbests(ref) if nbest.language), first.source_language)
    languages = [code for code in (read, first.target_language) if code]
    return [f"{ref.stage}: {format_warning(model, domain, measured.at_least_half, measured.n, languages)}"]
