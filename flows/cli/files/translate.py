"""`antiphon translate`: recordings, texts or subtitles -> another language, in one command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON
from flows.cli.files.export_targets import OUTPUT_FLAGS
from flows.cli.files.transcribe import LANGUAGE_FLAGS, beam_settings, recognizer_node
from flows.cli.help.model_flags import Values, with_flags
from flows.parameters.written_texts import TranslateParameters

if TYPE_CHECKING:
    from flows.cli.files.input_files import InputFiles

PANEL = "Use"

FLAGS = ("to", "language", "model", "asr_model", "beam_size", "paragraphs")


@with_flags(TranslateParameters, *FLAGS, *OUTPUT_FLAGS, *COMMON, positional="files", spelled=LANGUAGE_FLAGS)
def translate(values: Values) -> None:
    """Translate recordings, texts or subtitles.

    The translation is printed, or written where --out says. Which model translates is said on standard
    error. Without --model it is the packaged one for general texts of the direction; a model of the hub
    that is made for it (--model hub:Helsinki-NLP/opus-mt-de-en) is usually better and faster.

    For example:

    - `antiphon translate talk.mp4 --to en` prints what is said in it, in English.

    - `antiphon translate talk.mp4 --to de --out talk.de.srt --bilingual` writes subtitles in two languages.

    - `antiphon translate letter.txt --from fr --to en` translates line by line.

    - `antiphon translate film.en.srt --to de --out film.de.srt` translates subtitles sentence by sentence.

    - `antiphon translate talks/ --to fr --out texts/ --format txt,vtt`

    Exit codes: 0 done; 3 done, some records could not be translated; 2 wrong usage; 1 failed.
    """
    from flows.cli.compute.config_file import gather
    from flows.cli.files.input_files import find_inputs
    from flows.cli.files.text_commands import check_output, run_files

    parameters = gather(TranslateParameters, None, [], values)
    inputs = find_inputs(parameters.files, texts=True)
    check_output(inputs.total, parameters)
    nodes = _nodes(inputs, parameters)
    if "mt" in nodes:
        nodes["mt"] |= beam_settings(parameters.beam_size)
    if parameters.paragraphs:
        inputs = inputs._replace(texts=tuple(map(_by_paragraphs, inputs.texts)))
    raise typer.Exit(run_files({"nodes": nodes}, inputs, parameters, "translate", parameters.to))


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
        ConfigError: no packaged model translates so, and none is named.
    """
    from components.pipeline.advice.recommended_models import explain_missing, recommend

    target, source = parameters.to, _source_language(inputs, parameters.language, parameters.to)
    recognizer = recognizer_node(parameters.asr_model, parameters.beam_size)
    is_speech = bool(inputs.recordings)
    asr = {"asr": recognizer} if is_speech else {}
    of = "asr" if is_speech else "data"
    if parameters.model is not None:
        return {**asr, "mt": {"kind": "translate", "of": of, "model": parameters.model}}
    direct = recommend("translate_speech", source, target) if is_speech else None
    if direct is not None:
        _say_model(parameters.asr_model, direct.good_for)
        speech = {**recognizer, "kind": "translate_speech", "of": "data", "to": target}
        speech.pop("word_times", None)  # words of a translation are not said at any time
        return {**(asr if parameters.bilingual else {}), "st": speech}
    translator = recommend("translate", source, target)
    if translator is None:
        raise ConfigError(explain_missing(source, target))
    chosen_model = translator.reference(source, target)
    _say_model(chosen_model, translator.good_for)
    return {**asr, "mt": {"kind": "translate", "of": of, "model": chosen_model, **translator.settings}}


def _say_model(model: str, good_for: str) -> None:
    sys.stderr.write(f"antiphon: translated by {model}: {good_for}; others: antiphon models suggest\n")
