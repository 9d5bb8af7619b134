"""The texts of a run beside its report: ``texts/`` in the run's folder, made again with every report."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from components.analysis.measuring.overview import LARGE
from components.errors import AntiphonError
from components.export.format import ExportSettings
from components.export.format_names import TextFormat
from components.export.formats import FORMATS
from components.export.run_files import encode_run
from components.export.run_texts import RunTexts
from components.export.subtitles.cue import Cue
from components.extensions import Extensions, accept_any
from components.files.files import encode_json, rename_durably, staging_folder
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from components.storage.runs.report_files import TEXTS

RULES = "subtitle-rules.json"
"""How many subtitles of the folder break which rule."""
MAX_RECORDINGS = 20
"""Recordings with files of their own; of more there is a table alone (`antiphon export` makes the rest)."""
_PER_RECORDING: tuple[TextFormat, ...] = ("txt", "srt", "vtt")
LARGE_TEXTS: Extensions[Any] = Extensions("antiphon.large_texts", "writer of texts", accept_any)
"""What writes those of a run that its page does not show whole."""
log = logging.getLogger("antiphon.export")


def write_texts_beside_report(run: RunRecord, folder: Path) -> list[str]:
    """Write transcript and translation of a run's recordings; what fails is a warning, never the run.

    Args:
        run: finished; a comparison and a training have no texts.
        folder: of the run.

    Returns:
        names of the files in ``texts/``.
    """
    try:
        if is_large(run):
            names: list[str] = LARGE_TEXTS.only()(run, folder / TEXTS)
            return names
        texts = RunTexts(run)
        if not texts.outputs or not texts.recordings:
            return []
        return _write(texts, folder / TEXTS)
    except (AntiphonError, OSError) as error:
        log.warning("the texts beside the report of run %s were not written: %s", run.name, error)
        return []


def is_large(run: RunRecord) -> bool:
    """Return whether a run has more utterances than its page shows."""
    return any(ref.stage == DATA and ref.items - ref.quarantined > LARGE for ref in run.stages)


def _write(texts: RunTexts, folder: Path) -> list[str]:
    few = len(texts.recordings) <= MAX_RECORDINGS
    wanted: tuple[TextFormat, ...] = (*_PER_RECORDING, "tsv") if few else ("tsv",)
    formats = [form for form in wanted if form in FORMATS]
    settings, subtitles = ExportSettings(), list[list[Cue]]()
    layout = next((layout for form in formats if (layout := FORMATS[form].layout)), None)
    with staging_folder(folder) as staging:
        fresh = staging / TEXTS  # made by the user's umask, as the staging folder is not
        fresh.mkdir()
        for name, file in encode_run(texts, texts.outputs, formats, settings):
            (fresh / name).write_bytes(file.content)  # not synced: they can be made again
            if file.cues:
                subtitles.append(list(file.cues))
        if subtitles and layout is not None:
            check = layout.check(subtitles, settings).model_dump(mode="json")
            (fresh / RULES).write_bytes(encode_json(check))
        names = sorted(path.name for path in fresh.iterdir())
        if folder.exists():
            shutil.rmtree(folder)
        rename_durably(fresh, folder)
    return names
