"""The files of a run's texts: what each holds, and how it is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count

from components.errors import ConfigError
from components.export.format import ExportSettings
from components.export.format_names import TextFormat
from components.export.formats import FORMATS, TextFile, encode_files
from components.export.run_texts import RunTexts


def encode_run(
    texts: RunTexts, nodes: Sequence[str], formats: Sequence[TextFormat], settings: ExportSettings
) -> Iterator[tuple[str, TextFile]]:
    """Yield the files of several nodes, each with a name that no other has.

    Raises:
        ConfigError: only subtitles are asked for, and nothing in the data has times.
    """
    subtitles = [form for form in formats if FORMATS[form].is_subtitle]
    has_times = any(utterance.stretch for group in texts.recordings.values() for utterance in group)
    if len(subtitles) == len(formats) and not has_times:
        raise ConfigError(
            f"format {subtitles[0]}: expected speech or subtitles, found texts without times; choose txt, "
            "tsv, jsonl or json"
        )
    used: set[str] = set()
    for node in nodes:
        for file in encode_files(texts.texts_of(node), formats, settings, texts.set_name):
            stem, label, form = file.parts
            numbered = (f"{stem}.{node}.{label}-{n}.{form}" for n in count(2))
            options = chain((f"{stem}.{label}.{form}", f"{stem}.{node}.{label}.{form}"), numbered)
            name = next(option for option in options if option.casefold() not in used)
            used.add(name.casefold())
            yield name, file
