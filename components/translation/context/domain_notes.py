"""The line of a run whose texts are not what its translation model was made for."""

from __future__ import annotations

from pathlib import Path

from components import models
from components.run_record import StageRef
from components.storage.stages.reader import read_nbests, read_utterances
from components.translation.context.domain import (
    UNFAMILIAR_FEATURE,
    WARN_ABOVE,
    format_warning,
    read_domain,
)


def domain_notes(ref: StageRef, model: str, data: StageRef, store_url: str | None) -> list[str]:
    """One line where many texts of ``data`` are unfamiliar to ``model``, which translated them in ``ref``."""
    measured, read = [], None
    for nbest in read_nbests(ref):
        read = read or nbest.language
        if (share := nbest.best.features.get(UNFAMILIAR_FEATURE)) is not None:
            measured.append(share)
    unfamiliar = sum(share >= 0.5 for share in measured)
    if not measured or unfamiliar <= WARN_ABOVE * len(measured):
        return []
    domain = read_domain(Path(models.resolve(model, store_url).path))
    if domain is None:
        return []
    first = next(read_utterances(data))
    languages = [code for code in (read or first.source_language, first.target_language) if code]
    return [f"{ref.stage}: {format_warning(model, domain, unfamiliar, len(measured), languages)}"]
