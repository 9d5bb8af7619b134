"""What `antiphon transcribe` and `antiphon translate` share: run a graph over files, write its texts."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError, DataError
from flows.cli.compute.run import EXIT_QUARANTINED, compute_flow
from flows.cli.files.export import export_as_json, open_texts, print_content, print_files, report, write_texts
from flows.cli.files.export_targets import refuse_binary_output, single_file
from flows.cli.files.input_files import (
    TEXT_ENDINGS,
    InputFiles,
    language_of_name,
    refuse_unreadable,
    refuse_untimed_texts,
)
from flows.cli.help.verbosity import Verbosity, print_notice, verbosity
from flows.parameters.written_texts import STANDARD_OUTPUT, TranscribeParameters, WrittenTexts

if TYPE_CHECKING:
    from components.export.export import Export
    from components.export.run_texts import RunTexts


def run_files(
    graph: Mapping[str, Any],
    inputs: InputFiles,
    parameters: TranscribeParameters,
    title: str,
    target: str | None = None,
    *,
    as_json: bool = False,
) -> int:
    """Run a graph over recordings, or over one text after the other, and write what its last node gave.

    Args:
        graph: a pipeline as plain values.
        inputs: the files.
        parameters: where the texts go; the runs of further texts get numbers behind its name.
        title: what an unnamed run is called.
        target: language to translate into, if any.
        as_json: whether a JSON object of each run is printed behind its texts.

    Returns:
        the exit code: 3 if a record was quarantined.
    """
    if inputs.recordings:
        sources: list[dict[str, object]] = [{"audio": "\n".join(map(_on_one_line, inputs.recordings))}]
    else:
        sources = [_source_of(text, parameters.language) for text in inputs.texts]
        _check_texts(inputs.texts, sources, parameters)
    common = {"graph": graph, "title": title, "replace": parameters.replace or None}
    common |= {"store": parameters.store, "source_language": parameters.language, "target_language": target}
    codes = []
    for number, source in enumerate(sources):
        name = parameters.name
        values = {**common, **source, "name": f"{name}-{number + 1}" if name and number else name}
        ended, store = compute_flow("pipeline", None, [], values)
        if isinstance(ended, int):
            return ended
        headed = inputs.total > 1
        written = _write(ended.name, store, parameters, headed=headed, first=number == 0)
        if as_json:
            sys.stdout.write(export_as_json(ended.name, written) + "\n")
        codes.append(EXIT_QUARANTINED if written.quarantined else 0)
        if verbosity() > Verbosity.QUIET:  # whoever corrects the texts, or doubts them, needs the name
            print_notice(f"this was the run {ended.name}: antiphon inspect {ended.name}")
    return max(codes)


def _on_one_line(file: str) -> str:
    """Return a recording as one line of the parameter ``audio``: a pattern where its name has a line feed."""
    return glob.escape(file).replace("\n", "[\t-\v]") if "\n" in file else file


def _source_of(text: str, language: str | None) -> dict[str, object]:
    """Return parameters of the run over a text: it, and its language, where only its name says it."""
    if language is None and text.lower().endswith(TEXT_ENDINGS):
        language = language_of_name(text)
    return {"data": text, **({} if language is None else {"source_language": language})}


def _check_texts(texts: Sequence[str], sources: Sequence[Mapping[str, Any]], output: WrittenTexts) -> None:
    """Refuse, before the first is translated, what cannot be read, and two of one name for a folder."""
    from components.data import check
    from components.data.files.language_names import name_without_language

    refuse_untimed_texts(texts, output.formats)
    by_name: dict[str, str] = {}
    for text, source in zip(texts, sources, strict=True):
        try:
            check(text, source.get("source_language"))
        except DataError as error:
            raise ConfigError(str(error)) from None
        other = by_name.setdefault(name_without_language(Path(text)).casefold(), text)
        if other != text and output.out not in (None, STANDARD_OUTPUT):
            raise ConfigError(
                f"--out: expected texts whose files have names of their own, found {other} and {text}; "
                "translate them into different folders"
            )


def check_inputs(inputs: InputFiles, parameters: TranscribeParameters) -> None:
    """Refuse, before a model is chosen, recordings that cannot be read or written as it is asked.

    Raises:
        ConfigError: why.
    """
    check_output(inputs.total, parameters)
    if inputs.recordings and "rttm" in parameters.formats and parameters.speakers is None:
        raise ConfigError("--format: expected --speakers beside rttm, which says who speaks when, found none")
    refuse_unreadable(inputs.recordings)


def check_cues(inputs: InputFiles, output: WrittenTexts) -> None:
    """Refuse to keep the cues of what has none, or in another format, or with their source.

    Raises:
        ConfigError: which.
    """
    endings = {Path(text).suffix.lower().removeprefix(".") for text in inputs.texts}
    if inputs.recordings or not endings <= {"srt", "vtt"}:
        found = (*inputs.recordings, *inputs.texts)[0]
        raise ConfigError(f"--keep-cues: expected subtitles (.srt, .vtt), found {found}: leave it out")
    path = single_file(output.out, output.formats)
    if path is not None and {path.suffix.removeprefix(".")} != endings:
        raise ConfigError(f"--keep-cues: expected --out with the ending .{min(endings)}, found {path}")
    if output.bilingual or output.karaoke:
        raise ConfigError("--keep-cues: expected neither --bilingual nor --karaoke beside it, found one")


def check_output(count: int, output: WrittenTexts) -> None:
    """Refuse, before anything runs, to write many files into one.

    Raises:
        ConfigError: what is asked for is several files, and no folder is named.
    """
    file = single_file(output.out, output.formats)
    prints = output.out in (None, STANDARD_OUTPUT)
    if prints:
        refuse_binary_output(output.formats)
    plain = list(output.formats) == ["txt"]
    if (prints or file) and len(output.formats) > 1:
        raise ConfigError(
            f"--out: expected a folder for {' and '.join(output.formats)}, found {output.out or 'none'}"
        )
    if count > 1 and ((prints and not plain) or file):
        raise ConfigError(
            f"--out: expected a folder for the texts of {count} files, found {output.out or 'none'}"
        )
    if file is not None and not file.parent.is_dir():
        raise ConfigError(
            f"--out: expected a file in a folder that is there, found {file}; create its folder"
        )
    if not prints:
        path = Path(str(output.out)).absolute()
        folder = next(parent for parent in (path, *path.parents) if parent.is_dir())
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"--out: expected a folder that you may write to, found {folder}")


def _write(
    name: str, store: str | None, output: TranscribeParameters, *, headed: bool, first: bool
) -> Export:
    from components.export.export import Export

    texts = open_texts(name, store)
    node = texts.outputs[-1:]  # the translation, else the transcript
    if node and getattr(output, "keep_cues", False):
        files = _write_kept_cues(texts, node[0], output)
        return Export(files, quarantined=texts.missing_from(node))
    if not node:
        written = Export(quarantined=list(texts.quarantined.values()))
    elif output.out in (None, STANDARD_OUTPUT):
        written = _print_texts(texts, node, output, headed=headed, first=first)
    else:
        written = write_texts(
            texts, node, output.formats, output.settings, str(output.out), overwrite=output.overwrite
        )
        print_files(written.files)
    report(written)
    if output.page and node:
        written.files += _write_pages(texts, node, output)
    for note in (*texts.run.notes, *_doubtful_languages(texts), *_silent_recordings(texts)):
        if verbosity() > Verbosity.QUIET:
            print_notice(note)
    return written


def _write_pages(texts: RunTexts, node: Sequence[str], output: TranscribeParameters) -> list[Path]:
    """Write the page of each recording, beside the other files or into this folder; say and return where."""
    path = single_file(output.out, output.formats)
    folder = path.parent if path is not None else Path(output.out or ".")
    folder = Path() if output.out == STANDARD_OUTPUT else folder
    written = write_texts(texts, node, ["html"], output.settings, f"{folder}/", overwrite=True)
    for file in written.files if verbosity() > Verbosity.QUIET else ():
        print_notice(f"open {file} in a browser to hear and correct the text")
    return written.files


def _write_kept_cues(texts: RunTexts, node: str, output: TranscribeParameters) -> list[Path]:
    """Write, or print, the subtitles of the run's source with the translation in their cues."""
    from components.export.export import write_new
    from components.export.subtitles.kept_cues import keep_cues

    source = Path(str(texts.run.parameters["data"]))
    (text,) = texts.texts_of(node)
    kept = keep_cues(source, text, output.settings.rules)
    files = []
    if output.out in (None, STANDARD_OUTPUT):
        print_content(kept.content.encode())
    else:
        path = single_file(output.out, output.formats)
        path = path or Path(str(output.out)) / f"{text.name}.{text.language}{source.suffix.lower()}"
        write_new(path, kept.content.encode(), overwrite=output.overwrite)
        files = [path]
        print_files(files)
    print_notice(kept.describe())
    return files


def _doubtful_languages(texts: RunTexts) -> Iterator[str]:
    """Yield a line about every recording whose name says another language than the one that was heard."""
    from components.data.files.language_names import language_before_ending
    from components.files.locations.location import file_name_of
    from components.text.languages import english_name, is_same_language, is_undetermined

    if texts.run.parameters.get("source_language") is not None:
        return
    for recording in texts.texts_of(texts.outputs[0]) if texts.outputs else ():
        audio, detected = recording.parts[0].utterance.audio, recording.language
        stated = None if audio is None else language_before_ending(Path(file_name_of(audio.path)))
        if audio is None or stated is None or recording.is_translation or is_undetermined(detected):
            continue
        if not is_same_language(stated, detected):
            yield (
                f"{file_name_of(audio.path)}: heard as {english_name(detected)} ({detected}), though its "
                f"name says {stated}; if that is wrong, say --language {stated}"
            )


def _silent_recordings(texts: RunTexts) -> Iterator[str]:
    """Yield a line about every recording that was heard whole and has no word, lest its file seem lost."""
    for recording in texts.texts_of(texts.outputs[0]) if texts.outputs else ():
        if not any(part.text or part.quarantined for part in recording.parts):
            yield f"{recording.name}: no speech was heard in it; its text is empty"


def _print_texts(
    texts: RunTexts, nodes: Sequence[str], output: WrittenTexts, *, headed: bool, first: bool
) -> Export:
    """Print every text; several have a line with their name above, as ``head`` prints several files."""
    from components.export.export import Export
    from components.export.run_files import encode_run
    from components.export.subtitles.rule_check import check_rules
    from components.text.escaping import to_printable

    export = Export(quarantined=texts.missing_from(nodes))
    for name, file in encode_run(texts, nodes, output.formats, output.settings):
        if file.is_missing:
            continue  # the report says why
        if headed:
            sys.stdout.write(f"{'' if first else chr(10)}==> {to_printable(name)} <==\n")
        first = False
        print_content(file.content)
        if file.cues:
            export.check = check_rules([file.cues], output.settings.rules)
    return export
