"""The seq2seq backend against the library's own ``generate``, at tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from components import audio, data
from components.ensembling.token_level.whisper_ensemble import build_recognizer
from components.errors import ConfigError
from components.recognition import checks
from components.recognition.backends.seq2seq.backend import ARCHITECTURES
from components.recognition.backends.seq2seq.starts import STARTS
from components.recognition.config import RecognitionConfig, RecognizerEnsembleConfig
from components.recognition.factory import build
from components.recognition.windowed.request import Request
from components.records import NBest, Utterance
from tests.components.recognition.speech_models import FAMILIES, save

SEAMLESS = ("SeamlessM4T", "SeamlessM4Tv2")
CODES = {"de": "deu", "fr": "fra"}
"""Of SeamlessM4T's languages."""
PROMPTED = ("Canary", "CohereAsr")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    """Two recordings of different lengths, which go through the decoder as one padded batch."""
    rows = sorted(data.load("sample").utterances, key=lambda u: u.audio.seconds if u.audio else 0.0)[1:3]
    return [row.model_copy(update={"source_language": "de", "target_language": "fr"}) for row in rows]


def settings(folder: Path, **values: object) -> RecognitionConfig:
    short = {"max_tokens": 8, "beam_size": 1, "vad": False}
    return RecognitionConfig.model_validate(
        {"model": str(folder), "backend": "seq2seq", "n_best": 3, **short, **values}
    )


def generate(family: str, folder: Path, utterance: Utterance, language: str, beams: int) -> list[str]:
    """Texts of the library's own search over one recording alone."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder).eval()
    samples = audio.decode(utterance.audio)
    extract = processor if family == "MoonshineStreaming" else processor.feature_extractor
    inputs = extract(samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
    options: dict[str, Any] = {}
    n_given = 0
    if family in SEAMLESS:  # transformers drops the table when it reads the file
        table = json.loads((folder / "generation_config.json").read_text())["text_decoder_lang_to_code_id"]
        model.generation_config.text_decoder_lang_to_code_id = table
        options["tgt_lang"] = CODES[language]
    elif family == "Speech2Text":
        options["forced_bos_token_id"] = processor.tokenizer.lang_code_to_id[language]
    elif family == "Canary":
        whole = processor.apply_transcription_request(
            audio=[samples], source_language="de", target_language=language
        )
        options["decoder_input_ids"] = whole["decoder_input_ids"]
    elif family == "CohereAsr":
        whole = processor(samples, language=language, sampling_rate=16_000)
        options["decoder_input_ids"] = whole["decoder_input_ids"]
    if family in PROMPTED:
        n_given = options["decoder_input_ids"].shape[1]
    with torch.inference_mode():
        rows = model.generate(
            **inputs,
            **options,
            num_beams=beams,
            num_return_sequences=min(3, beams),
            max_new_tokens=8,
            do_sample=False,
        )
    texts = [processor.tokenizer.decode(row[n_given:], skip_special_tokens=True) for row in rows]
    return list(dict.fromkeys(" ".join(text.split()) for text in texts))


@pytest.mark.parametrize(("family", "beams"), [("Moonshine", 1), *((family, 4) for family in FAMILIES)])
def test_texts_are_the_librarys(
    family: str, beams: int, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    folder = folders[family]
    outcomes = build(settings(folder, beam_size=beams)).recognize(utterances)
    for utterance, outcome in zip(utterances, outcomes, strict=True):
        expected = generate(family, folder, utterance, "de", beams)
        assert [hypothesis.text for hypothesis in outcome.hypotheses] == expected
        assert outcome.best.score == pytest.approx(sum(token.log_prob for token in outcome.best.tokens))


@pytest.mark.parametrize("family", ["SeamlessM4Tv2", "Speech2Text", "Canary"])
def test_translations_are_the_librarys(
    family: str, folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    config = settings(folders[family])
    checks.validate_model(config, None, [Request("translate", "de", "fr")])
    outcomes = build(config, task="translate").recognize(utterances[:2])
    for utterance, outcome in zip(utterances, outcomes, strict=False):
        assert [outcome.best.text] == generate(family, folders[family], utterance, "fr", 1)


@pytest.mark.parametrize(
    ("family", "task", "target", "message"),
    [
        ("Moonshine", "translate", "fr", "says which languages it translates into, found one that does not"),
        ("CohereAsr", "translate", "fr", "expected a model that translates, found one that transcribes only"),
        ("SeamlessM4Tv2", "translate", "cs", r"a language that the model writes \(cmn, deu, .*found 'cs'"),
        ("SeamlessM4Tv2", "translate", None, "expected a target language, found none: say to: LANGUAGE"),
        ("SeamlessM4Tv2", "transcribe", "und", "expected the language that is spoken"),
        ("Speech2Text", "transcribe", "en", r"\(de, es, fr, .*found 'en'"),
        ("Canary", "transcribe", "ja", "ja"),
        ("CohereAsr", "transcribe", "cs", "Unsupported language: 'cs'"),
    ],
)
def test_what_a_model_does_not_write_is_refused_before_it_is_loaded(
    family: str, task: Any, target: str | None, message: str, folders: dict[str, Path]
) -> None:
    with pytest.raises(ConfigError, match=message):
        checks.validate_model(settings(folders[family]), None, [Request(task, "de", target)])


def test_a_record_of_another_language_is_quarantined_and_the_others_go_on(
    folders: dict[str, Path], utterances: list[Utterance]
) -> None:
    other = utterances[0].model_copy(update={"id": "other", "source_language": "ja"})
    outcomes = build(settings(folders["SeamlessM4Tv2"])).recognize([other, utterances[0]])
    assert outcomes[0].reason == "unsupported input"
    assert isinstance(outcomes[1], NBest)


def test_macrolanguages_have_the_models_own_codes(folders: dict[str, Path]) -> None:
    model = transformers.AutoProcessor.from_pretrained(folders["SeamlessM4Tv2"])
    table = {"cmn": 7, "eng": 8}
    start = STARTS["SeamlessM4Tv2Model"]
    assert start(model, table_settings(table), Request("transcribe", "zh", "zh")).tokens == (7,)
    assert start(model, table_settings(table), Request("transcribe", "en-GB", "en-GB")).tokens == (8,)


def table_settings(table: dict[str, int]) -> dict[str, Any]:
    return {"text_decoder_lang_to_code_id": table}


def test_copies_of_a_member_write_what_it_writes_and_others_change_it(
    folders: dict[str, Path], utterances: list[Utterance], tmp_path: Path
) -> None:
    one, other = str(folders["Moonshine"]), str(save("Moonshine", tmp_path, seed=5))

    def mix(members: tuple[str, ...], coefficients: tuple[float, ...] = ()) -> list[NBest]:
        values = settings(folders["Moonshine"], beam_size=3).model_dump()
        config = RecognizerEnsembleConfig.model_validate(
            {**values, "members": members, "coefficients": coefficients}
        )
        outcomes = build_recognizer(config).recognize(utterances[:2])
        return [outcome for outcome in outcomes if isinstance(outcome, NBest)]

    alone = build(settings(folders["Moonshine"], beam_size=3)).recognize(utterances[:2])
    texts = [outcome.best.text for outcome in alone if isinstance(outcome, NBest)]
    assert [nbest.best.text for nbest in mix((one, one))] == texts
    assert [nbest.best.text for nbest in mix((one, other), (1.0, 0.0))] == texts
    mixed = mix((one, other))
    assert [nbest.best.text for nbest in mixed] != texts
    assert set(mixed[0].best.tokens[0].members) == {one, other}


def test_members_of_other_vocabularies_are_refused(folders: dict[str, Path]) -> None:
    members = (str(folders["Moonshine"]), str(folders["Canary"]))
    values = {**settings(folders["Moonshine"]).model_dump(), "members": members}
    with pytest.raises(ConfigError, match="expected members of one vocabulary"):
        build_recognizer(RecognizerEnsembleConfig.model_validate(values))


def test_every_row_is_listed() -> None:
    assert tuple(STARTS) == ARCHITECTURES
