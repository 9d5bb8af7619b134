"""`antiphon translate`: recordings, texts or subtitles -> another language, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON
from flows.cli.files.export_targets import OUTPUT_FLAGS
from flows.cli.files.transcribe import (
    HEARING_FLAGS,
    LANGUAGE_FLAGS,
    TextCommand,
    beam_settings,
    hearing_nodes,
    terms_file,
)
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson
from flows.cli.help.verbosity import Verbosity, print_notice, verbosity
from flows.parameters.written_texts import TranslateParameters

if TYPE_CHECKING:
    from components.pipeline.advice.recommended_models import Recommendation
    from flows.cli.files.input_files import InputFiles

PANEL = "Use"

FLAGS = (
    *("to", "language", "model", "asr_model", "fast", "anyway", *HEARING_FLAGS),
    *("keep_cues", "paragraphs", "page"),
)


@with_flags(TranslateParameters, *FLAGS, *OUTPUT_FLAGS, *COMMON, positional="files", spelled=LANGUAGE_FLAGS)
def translate(values: Values, as_json: AsJson = False) -> None:
    """Translate recordings, texts or subtitles.

    The translation is printed, or written where --out says. Which model translates is said on standard
    error. Without --model it is the best for the direction that this machine can run; a model of the hub
    that is made for it (--model hub:Helsinki-NLP/opus-mt-de-en) is usually better and faster. --fast
    translates speech into English without a transcript: half as good.

    For example:

    - `antiphon translate talk.mp4 --to en` prints what is said in it, in English.

    - `antiphon translate talk.mp4 --to de --out talk.de.srt --bilingual` writes subtitles in two languages.

    - `antiphon translate letter.txt --from fr --to en` translates line by line.

    - `antiphon translate film.en.srt --to de --out film.de.srt` translates subtitles sentence by sentence.

    - `antiphon translate talks/ --to fr --out texts/ --format txt,vtt`

    Exit codes: 0 done; 3 done, some records could not be translated; 2 wrong usage; 1 failed.
    """
    from flows.cli.compute.parameters.config_file import gather
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import check_cues, check_inputs, run_files

    parameters = gather(TranslateParameters, None, [], values)
    inputs = find_inputs(parameters.files, texts=True)
    if parameters.keep_cues:
        check_cues(inputs, parameters)
    check_inputs(inputs, parameters)
    nodes = _nodes(inputs, parameters)
    if parameters.paragraphs:
        inputs = inputs._replace(texts=tuple(map(_by_paragraphs, inputs.texts)))
    code = run_files({"nodes": nodes}, inputs, parameters, "translate", parameters.to, as_json=as_json)
    raise typer.Exit(code)


translate.command_class = TextCommand  # type: ignore[attr-defined]


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


def _nodes(inputs: InputFiles, parameters: TranslateParameters) -> dict[str, dict[str, Any]]:
    """Return the graph: recognition where there is speech, and translation by the model for the direction.

    Raises:
        ConfigError: no model of this machine translates so, and none is named.
    """
    target, source = parameters.to, _source_language(inputs, parameters.language, parameters.to)
    is_speech = bool(inputs.recordings)
    heard = hearing_nodes(parameters.asr_model, parameters) if is_speech else {}
    has_better = parameters.model is not None or _choose_model(source, target) is not None
    direct = None
    if parameters.fast or (is_speech and not has_better):
        direct = _speak_directly(heard, source, parameters)
    if direct is not None:
        return {**(heard if parameters.bilingual or parameters.speakers else {}), "st": direct}
    model = parameters.model or _named_model(source, parameters)
    mt = {"kind": "translate", "of": list(heard)[-1] if heard else "data", "model": model}
    mt |= {"terms": terms_file(parameters.terms)} if parameters.terms else {}
    mt |= {"device": parameters.device} if parameters.device else {}
    return {**heard, "mt": {**mt, **beam_settings(parameters.beam_size)}}


def _choose_model(source: str, target: str) -> Recommendation | None:
    from components.pipeline.advice.recommended_models import recommend

    return recommend("translate", source, target)


def _named_model(source: str, parameters: TranslateParameters) -> str:
    """Return the best model of the table that this machine can run, and say which it is."""
    from components.pipeline.advice.auto_models import choose_translator

    row, model = choose_translator(source, parameters.to, anyway=parameters.anyway)
    _say_model(model, f"{row.good_for}; BLEU {row.measured}")
    return model


def _speak_directly(
    heard: dict[str, dict[str, Any]], source: str, parameters: TranslateParameters
) -> dict[str, Any] | None:
    """Return the node that translates speech without a transcript; None where that is not to be had.

    Raises:
        ConfigError: --fast was asked for, of texts or of another language than English.
    """
    from components.pipeline.advice.recommended_models import recommend

    row = recommend("translate_speech", source, parameters.to) if heard else None
    if row is None:
        if parameters.fast:
            found = f"--to {parameters.to}" if heard else "texts"
            raise ConfigError(
                f"--fast: expected recordings to translate into English, found {found}: leave it out"
            )
        return None
    _say_model(parameters.asr_model, f"{row.good_for}; BLEU {row.measured}")
    speech = {**heard["asr"], "kind": "translate_speech", "of": "data", "to": parameters.to}
    speech.pop("word_times", None)  # words of a translation are not said at any time
    return speech


def _say_model(model: str, good_for: str) -> None:
    if verbosity() > Verbosity.QUIET:
        print_notice(f"translated by {model}: {good_for}; others: antiphon models suggest")
