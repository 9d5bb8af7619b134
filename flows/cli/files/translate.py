"""`antiphon translate`: recordings, texts or subtitles -> another language, in one command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import ConfigError
from flows.cli.files.export_options import (
    Bilingual,
    Formats,
    MarkBelow,
    OutPath,
    Overwrite,
    Rules,
    formats_of,
    settings_of,
    with_rules,
)
from flows.cli.files.transcribe import BeamSize, beam_settings, recognizer_node
from flows.cli.help.options import Replace, RunName, StoreUrl

if TYPE_CHECKING:
    from flows.cli.files.input_files import InputFiles

SourceFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="recordings, videos, folders of them, patterns; or texts (talk.txt, talk.it), a line each; or "
        "subtitles (talk.srt, talk.it.vtt)",
    ),
]
Into = Annotated[str, typer.Option("--to", metavar="CODE", help="language to translate into, such as de")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        "--language",
        metavar="CODE",
        help="language of the source; of speech it is detected if omitted",
    ),
]
TranslationModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="REF",
        help="translator: hub:ORG/NAME, packaged:NAME, store:KEY or a path; chosen by direction if omitted "
        "(antiphon models suggest)",
    ),
]
RecognitionModel = Annotated[str, typer.Option("--asr-model", metavar="REF", help="recognizer of recordings")]
Paragraphs = Annotated[
    bool, typer.Option("--paragraphs", help="texts: blank lines divide what is translated, not every line")
]


@with_rules
def translate(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    files: SourceFiles,
    to: Into,
    source: From = None,
    model: TranslationModel = None,
    asr_model: RecognitionModel = "packaged:whisper-base",
    beam_size: BeamSize = None,
    paragraphs: Paragraphs = False,
    formats: Formats = None,
    out: OutPath = None,
    bilingual: Bilingual = False,
    confidence: MarkBelow = None,
    overwrite: Overwrite = False,
    *,
    rules: Rules,
    name: RunName = None,
    replace: Replace = False,
    store: StoreUrl = None,
) -> None:
    """Translate recordings, texts or subtitles: the translation is printed, or written where --out says.

    Which model translates is said on standard error. Without --model it is the packaged one for general texts
    of the direction; a model of the hub that is made for it (--model hub:Helsinki-NLP/opus-mt-de-en) is
    usually better and faster.

    For example:

    - `antiphon translate talk.mp4 --to en` prints what is said in it, in English.

    - `antiphon translate talk.mp4 --to de --out talk.de.srt --bilingual` writes subtitles in two languages.

    - `antiphon translate letter.txt --from fr --to en` translates line by line.

    - `antiphon translate film.en.srt --to de --out film.de.srt` translates subtitles sentence by sentence.

    - `antiphon translate talks/ --to fr --out texts/ --format txt,vtt`

    Exit codes: 0 done; 3 done, some records could not be translated; 2 wrong usage; 1 failed.
    """
    from components.text.languages import check_code
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import Output, check_output, run_files

    settings = settings_of(rules, bilingual=bilingual, low=confidence)
    output = Output(formats_of(formats, out), settings, out, overwrite)
    for code in (to, source):
        if code is not None:
            check_code(code)
    inputs = find_inputs(files, texts=True)
    check_output(inputs.total, output)
    language = _source_language(inputs, source, to)
    nodes = _nodes(inputs, language, to, model, recognizer_node(asr_model, beam_size), bilingual=bilingual)
    if "mt" in nodes:
        nodes["mt"] |= beam_settings(beam_size)
    if paragraphs:
        inputs = inputs._replace(texts=tuple(map(_by_paragraphs, inputs.texts)))
    languages = {"source_language": source, "target_language": to}
    shortcuts = {**languages, "title": "translate", "name": name, "replace": replace or None, "store": store}
    raise typer.Exit(run_files({"nodes": nodes}, inputs, output, shortcuts))


def _by_paragraphs(text: str) -> str:
    from flows.cli.files.input_files import SUBTITLE_ENDINGS

    return text if text.lower().endswith(SUBTITLE_ENDINGS) else f"paragraphs:{text}"


def _source_language(inputs: InputFiles, stated: str | None, target: str) -> str:
    """Return the language of the source, ``und`` where speech will tell or texts differ.

    Raises:
        ConfigError: a text has none, or it is the target.
    """
    from components.text.languages import UNDETERMINED, is_same_language
    from flows.cli.files.input_files import language_of_name

    codes = [stated] if stated else [language_of_name(text) for text in inputs.texts]
    for code, text in zip(codes, inputs.texts, strict=False):
        if code is None:
            raise ConfigError(f"{text}: expected the language of the text, found none; say it: --from CODE")
    for code in codes:
        if code is not None and is_same_language(code, target):
            raise ConfigError(f"expected to translate into another language, found {code} to {target}")
    known = {code for code in codes if code is not None}
    return known.pop() if len(known) == 1 else UNDETERMINED


def _nodes(
    inputs: InputFiles,
    source: str,
    target: str,
    model: str | None,
    recognizer: Mapping[str, Any],
    *,
    bilingual: bool,
) -> dict[str, dict[str, Any]]:
    """Return the graph: recognition where there is speech, and translation by the model for the direction.

    Raises:
        ConfigError: no packaged model translates so, and none is named.
    """
    from components.pipeline.advice.recommended_models import explain_missing, recommend

    is_speech = bool(inputs.recordings)
    asr = {"asr": dict(recognizer)} if is_speech else {}
    of = "asr" if is_speech else "data"
    if model is not None:
        return {**asr, "mt": {"kind": "translate", "of": of, "model": model}}
    direct = recommend("translate_speech", source, target) if is_speech else None
    if direct is not None:
        _say_model(str(recognizer["model"]), direct.good_for)
        speech = {**recognizer, "kind": "translate_speech", "of": "data", "to": target}
        speech.pop("word_times", None)  # words of a translation are not said at any time
        return {**(asr if bilingual else {}), "st": speech}
    translator = recommend("translate", source, target)
    if translator is None:
        raise ConfigError(explain_missing(source, target))
    chosen_model = translator.reference(source, target)
    _say_model(chosen_model, translator.good_for)
    return {**asr, "mt": {"kind": "translate", "of": of, "model": chosen_model, **translator.settings}}


def _say_model(model: str, good_for: str) -> None:
    sys.stderr.write(f"antiphon: translated by {model}: {good_for}; others: antiphon models suggest\n")
