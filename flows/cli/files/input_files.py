"""The files that `antiphon transcribe` and `antiphon translate` are given: recordings, or texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from components.errors import ConfigError, DataError

if TYPE_CHECKING:
    from components.data import Dataset
    from components.export.format_names import TextFormat

SUBTITLE_ENDINGS = (".srt", ".vtt")
TEXT_ENDINGS = (".txt", ".text", *SUBTITLE_ENDINGS)
UNREAD_ENDINGS = (
    *(".ass", ".ssa", ".sub", ".ttml", ".md", ".rst", ".tex"),
    *(".doc", ".docx", ".odt", ".rtf", ".pdf", ".htm", ".html", ".xlsx", ".pptx", ".tmx", ".xlf", ".xliff"),
)
"""Endings of texts that are not read; ffmpeg would be asked for their sound."""
DATA_ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
"""Endings of data sets, which runs take."""


class InputFiles(NamedTuple):
    """Files of one sort: recordings go through one run together, each text through one of its own."""

    recordings: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many they are."""
        return len(self.recordings) + len(self.texts)


def load_usable(load: Callable[..., Dataset], name: str, options: Mapping[str, Any]) -> Dataset:
    """Return the data set that a flag names.

    Raises:
        ConfigError: it cannot be read, or holds nothing that can be used.
    """
    try:
        dataset = load(name, **options)
    except DataError as error:
        raise ConfigError(str(error)) from None
    if not dataset.utterances:
        reason = dataset.quarantined[0].detail if dataset.quarantined else "it is empty"
        raise ConfigError(f"{name}: expected records that can be used, found none: {reason}")
    return dataset


def find_inputs(paths: Sequence[str], *, texts: bool) -> InputFiles:
    """Return the files that arguments stand for: files, folders of recordings, patterns.

    Args:
        paths: as they were given.
        texts: whether texts can be taken; else every file is a recording.

    Raises:
        ConfigError: there is no such file, or recordings and texts were given together.
    """
    from components.data.recordings import find_recordings

    try:
        files = find_recordings(paths)
    except DataError as error:
        raise ConfigError(str(error)) from None
    written = [file for file in files if is_text(file)]
    unread = (*UNREAD_ENDINGS, *DATA_ENDINGS)
    refused = next((file for file in files if Path(file).suffix.lower() in unread), None)
    if refused is not None or (written and not texts):
        expected = "recordings, texts (.txt) or subtitles (.srt, .vtt)" if texts else "recordings"
        advice = f"; save it as plain text ({TEXT_ENDINGS[0]})" if refused and texts else ""
        if refused and refused.lower().endswith(DATA_ENDINGS):
            languages = " --from CODE --to CODE" if texts else ""
            advice = f", a data set: antiphon init mine.yaml --data {quote(refused)}{languages}"
        raise ConfigError(f"expected {expected}, found {refused or written[0]}{advice}")
    if written and len(written) < len(files):
        recording = next(file for file in files if file not in written)
        raise ConfigError(
            f"expected recordings or texts, found both ({recording} and {written[0]}); run twice"
        )
    return InputFiles((), tuple(files)) if written else InputFiles(tuple(files))


def refuse_untimed_texts(texts: Sequence[str], formats: Sequence[TextFormat]) -> None:
    """Refuse texts without times where only subtitles are to be written.

    Raises:
        ConfigError: the first of them is named.
    """
    from components.export.formats import FORMATS

    untimed = [text for text in texts if not text.lower().endswith(SUBTITLE_ENDINGS)]
    if untimed and formats and all(FORMATS[form].is_subtitle for form in formats):
        raise ConfigError(
            f"{untimed[0].removeprefix('paragraphs:')}: expected speech or subtitles, which have times, for "
            f"the format {formats[0]}, found a text; choose txt, tsv, jsonl or json"
        )


def refuse_unreadable(recordings: Sequence[str]) -> None:
    """Refuse recordings none of which can be read; where one can, the others are quarantined as they come.

    Raises:
        ConfigError: why the first cannot.
    """
    from components.audio import probe

    first: DataError | None = None
    for file in recordings:
        if "://" in file:
            return  # it is opened by the run
        try:
            probe(file)
        except DataError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise ConfigError(f"expected recordings, found none that can be read: {first}")


def is_text(file: str) -> bool:
    """Return whether a file is text or subtitles by its ending, maybe its language as in ``talk.it``."""
    ending = Path(file).suffix.lower()
    return ending in TEXT_ENDINGS or language_of_name(file) is not None


def language_of_name(file: str) -> str | None:
    """Return the language that a text's ending, or the one before, says: ``talk.it``, ``talk.it.txt``.

    None where that is none of the known languages' codes.
    """
    from components.data.files.language_names import language_before_ending
    from components.data.files.subtitles import SUBTITLES
    from components.data.recordings import RECORDING_EXTENSIONS
    from components.text.languages import NAMES

    path = Path(file)
    if path.suffix.lower() in SUBTITLES:
        return language_before_ending(path)
    ending = path.with_suffix("").suffix if path.suffix.lower() in TEXT_ENDINGS else path.suffix
    code = ending.removeprefix(".")
    return code if len(code) == 2 and code in NAMES and ending not in RECORDING_EXTENSIONS else None
