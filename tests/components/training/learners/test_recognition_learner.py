"""Fine-tuning Whisper: the loss is transformers', the score jiwer's, and the result is a recognizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)
from whisper.tokenizer import get_tokenizer

from components import models
from components.errors import ConfigError, DataError, ModelError
from components.models.conversion.whisper_tokenizer import write_tokenizer
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance
from components.training import checks
from components.training.examples import encoded_speech, speech_data
from components.training.examples.encoded_speech import EncodedSpeech
from components.training.fine_tuning_config import FineTuningConfig
from components.training.learners.recognition_learner import RecognitionLearner
from components.training.learners.recognition_scoring import score_recognizer
from components.training.loop.trainer import train

TEXTS = ["A dog.", "Two red boats", "The house is old.", "No"]


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English-only Whisper of random weights, as the hub has them."""
    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    tokenizer = get_tokenizer(multilingual=False)
    ids = {"bos_token_id": tokenizer.eot, "eos_token_id": tokenizer.eot, "pad_token_id": tokenizer.eot}
    ids["decoder_start_token_id"] = tokenizer.sot
    halves = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    halves |= dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    halves |= dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 32)
    config = WhisperConfig(
        vocab_size=51864,
        d_model=8,
        max_target_positions=24,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **ids,
        **halves,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    write_tokenizer(folder, 51864)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noises with transcripts, one that is too long, and one without a transcript."""
    folder = tmp_path_factory.mktemp("sound")
    generator, rows = np.random.default_rng(0), []
    for number, text in enumerate([*TEXTS, None, "long"]):
        seconds = 31 if text == "long" else 0.5 + 0.1 * number
        soundfile.write(
            folder / f"{number}.wav", 0.1 * generator.standard_normal(int(16000 * seconds)), 16000
        )
        rows.append(
            {"id": str(number), "audio": f"{number}.wav", "source_language": "en", "transcript": text}
        )
    path = folder / "spoken.jsonl"
    lines = (json.dumps({k: v for k, v in row.items() if v is not None}) for row in rows)
    path.write_text("\n".join(lines) + "\n")
    return path


def _config(whisper_folder: Path, manifest: Path, **values: Any) -> FineTuningConfig:
    settings = {
        **{
            "kind": "recognition",
            "init_from": str(whisper_folder),
            "data": str(manifest),
            "dev": str(manifest),
        },
        **{"device": "cpu", "dtype": "float32", "batch_tokens": 3000, "max_steps": 2, "eval_every": 1},
        **{"warmup_steps": 1, "average_checkpoints": 1, "learning_rate": 1e-2, "label_smoothing": 0.0},
    }
    return FineTuningConfig.model_validate({**settings, **values})


@pytest.fixture(scope="module")
def learner(whisper_folder: Path, manifest: Path) -> RecognitionLearner:
    return RecognitionLearner(_config(whisper_folder, manifest), manifest.parent, torch.device("cpu"))


def test_utterances_that_cannot_be_learned_are_left_out(learner: RecognitionLearner) -> None:
    assert [example.utterance.transcript for example in learner.examples] == TEXTS


def test_all_is_learned_but_the_sinusoids_of_the_encoder(learner: RecognitionLearner) -> None:
    fixed = [name for name, weight in learner.model.named_parameters() if not weight.requires_grad]
    assert fixed == ["model.encoder.embed_positions.weight"]


def test_the_loss_is_that_of_transformers(learner: RecognitionLearner) -> None:
    learner.model.eval()
    mine, count = learner.loss([0, 1, 2])
    total = 0.0
    for row in (0, 1, 2):
        example = learner.examples[row]
        batch = learner.collate([example])
        labels = torch.tensor([[*[-100] * (len(example.prompt) - 1), *example.target]])
        output = learner.model(input_features=batch.sound, decoder_input_ids=batch.inputs, labels=labels)
        total += output.loss.item() * len(example.target)
    assert count == sum(len(learner.examples[row].target) for row in (0, 1, 2))
    assert mine.item() == pytest.approx(total / count, abs=1e-5)


def test_prompts_are_those_of_whisper_with_and_without_times(learner: RecognitionLearner) -> None:
    tokenizer = get_tokenizer(multilingual=False)
    plain, timed = learner.examples[:2]
    assert plain.prompt == (tokenizer.sot, tokenizer.no_timestamps)
    assert tokenizer.decode(list(plain.target[:-1])) == " A dog."
    assert timed.prompt == (tokenizer.sot,)
    assert tokenizer.decode_with_timestamps(list(timed.target[:-1])) == "<|0.00|> Two red boats<|0.60|>"
    assert plain.target[-1] == timed.target[-1] == tokenizer.eot


def test_the_score_is_word_accuracy_of_greedy_search(learner: RecognitionLearner) -> None:
    tokenizer = get_tokenizer(multilingual=False)
    texts = []
    with torch.no_grad():
        for example in learner._dev:
            features = speech_data.read_features([example], 80)
            ids = list(example.prompt)
            while len(ids) < 24 and ids[-1] != tokenizer.eot:
                logits = learner.model(input_features=features, decoder_input_ids=torch.tensor([ids])).logits
                ids.append(int(logits[0, -1].argmax()))
            texts.append(tokenizer.decode([token for token in ids[2:] if token < tokenizer.eot]).strip())
    assert learner.recognize(learner._dev) == texts
    from components.metrics.normalizers import normalizer_for

    normalize = normalizer_for("en")
    wer = jiwer.wer([normalize(text) for text in TEXTS], [normalize(text) for text in texts])
    assert learner.dev_score() == pytest.approx(100 - 100 * wer)


def test_a_frozen_encoder_reads_each_recording_once_and_stays(
    learner: RecognitionLearner,
    whisper_folder: Path,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = _config(whisper_folder, manifest, freeze_encoder=True)
    frozen = RecognitionLearner(config, tmp_path, torch.device("cpu"))
    assert frozen.recognize(frozen._dev) == learner.recognize(learner._dev)
    losses = [own.loss([0, 1, 2])[0] for own in (learner, frozen)]
    torch.testing.assert_close(losses[1], losses[0])
    names = [name for name, weight in frozen.model.named_parameters() if weight.requires_grad]
    assert names == [
        name
        for name, weight in learner.model.named_parameters()
        if weight.requires_grad and not name.startswith("model.encoder.")
    ]
    own, others = dict(frozen.model.named_parameters()), dict(learner.model.named_parameters())
    gradients = (
        torch.autograd.grad(loss, [weights[name] for name in names])
        for loss, weights in zip(losses, (others, own), strict=True)
    )
    torch.testing.assert_close(*gradients)

    read: list[str] = []
    compute = speech_data.read_features
    monkeypatch.setattr(
        encoded_speech,
        "read_features",
        lambda examples, mels: (
            read.extend(e.utterance.id for e in examples) or compute(examples, mels)  # type: ignore[func-returns-value]
        ),
    )
    train(config, tmp_path / "out", make_learner=RecognitionLearner)
    assert sorted(read) == ["0", "1", "2", "3"]  # in two steps and two evaluations
    tuned, before = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "out/model", whisper_folder)
    )
    changed = {name for name, weight in before.items() if not torch.equal(weight, tuned[name])}
    assert changed
    assert not any(name.startswith("model.encoder.") for name in changed)
    small = EncodedSpeech(max_bytes=1)
    for _ in range(2):
        small.read(frozen.model.get_encoder(), frozen.examples[:1], 80, torch.float32)
    assert read[4:] == ["0", "0"]  # no room
    first = frozen.examples[0]
    assert first.utterance.audio is not None
    halves = [
        first._replace(
            utterance=first.utterance.model_copy(
                update={"audio": first.utterance.audio.model_copy(update={"seconds": 0.2, "offset": offset})}
            )
        )
        for offset in (0.0, 0.3)
    ]
    of_one_file = EncodedSpeech().read(frozen.model.get_encoder(), halves, 80, torch.float32)
    assert not torch.equal(*of_one_file)
    with pytest.raises(ConfigError, match="freeze_encoder: expected kind recognition, found translation"):
        checks.check_machine(config.model_copy(update={"kind": "translation"}), None)


def test_a_fine_tuned_model_is_a_recognizer(whisper_folder: Path, manifest: Path, tmp_path: Path) -> None:
    config = _config(whisper_folder, manifest)
    checks.check(config, None)
    state = train(config, tmp_path / "out", make_learner=RecognitionLearner)
    assert {"dev_word_accuracy", "dev_loss"} <= state.history[-1].keys()
    checkpoint = models.resolve(str(tmp_path / "out/model"))
    tuned = load_whisper(checkpoint).state_dict()
    before = load_whisper(models.resolve(str(whisper_folder))).state_dict()
    name = "decoder.blocks.0.attn.query.weight"
    assert not torch.equal(tuned[name], before[name])
    speech = speech_data.load_utterances(str(manifest), ("en", "de"))[:1]
    settings: dict[str, Any] = {
        "backend": "transformers",
        "beam_size": 1,
        "n_best": 1,
        "temperature_fallback": (0.0,),
    }
    (outcome,) = build(RecognitionConfig(model=str(tmp_path / "out/model"), **settings)).recognize(speech)
    assert isinstance(outcome, NBest)
    rows = manifest.read_text().splitlines()[:2]
    (manifest.parent / "two.jsonl").write_text("\n".join(rows) + "\n")
    scores = score_recognizer(
        str(tmp_path / "out/model"), str(manifest.parent / "two.jsonl"), ("en", "de"), 1, "cpu"
    )
    assert scores["wer"].n == len(rows)


def test_an_adapter_of_whisper_is_read_by_peft_and_by_the_engine(
    whisper_folder: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peft = pytest.importorskip("peft", reason="needs the extra adapters")
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    config = _config(whisper_folder, manifest, lora={"rank": 2, "target_modules": r".*\.(q_proj|fc2)"})
    train(config, tmp_path / "out", make_learner=RecognitionLearner)
    adapter = tmp_path / "out/model"
    plain = WhisperForConditionalGeneration.from_pretrained(whisper_folder)
    expected = peft.PeftModel.from_pretrained(plain, adapter).merge_and_unload().state_dict()
    merged = models.resolve(f"{whisper_folder}+{adapter}")
    for name, tensor in load_file(Path(merged.path) / "model.safetensors").items():
        assert torch.equal(tensor, expected[name]), name
    setting = RecognitionConfig(model=str(whisper_folder), adapter={str(adapter): 1.0})
    assert setting.model == f"{whisper_folder}+{adapter}"
    engine = load_whisper(models.resolve(setting.model)).state_dict()
    query = "model.decoder.layers.0.self_attn.q_proj.weight"
    assert torch.equal(engine["decoder.blocks.0.attn.query.weight"], expected[query])


def test_an_adapter_leaves_a_frozen_encoder_alone(
    whisper_folder: Path, manifest: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="needs the extra adapters")
    lora = {"rank": 2, "target_modules": r".*\.(q_proj|fc2)"}
    config = _config(whisper_folder, manifest, lora=lora, freeze_encoder=True)
    model = RecognitionLearner(config, tmp_path, torch.device("cpu")).model
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained and all("decoder." in name and "lora_" in name for name in trained)
    of_encoder = lora | {"target_modules": r".*\.encoder\..*q_proj"}
    with pytest.raises(ConfigError, match=r"lora\.target_modules: expected names of linear layers"):
        RecognitionLearner(
            _config(whisper_folder, manifest, lora=of_encoder, freeze_encoder=True),
            tmp_path,
            torch.device("cpu"),
        )


def test_other_models_and_empty_data_are_refused(
    whisper_folder: Path, manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoken = speech_data.load_utterances(str(manifest), ("en", "de"))
    assert len(speech_data.encode(spoken, 51864, 4, timestamps=False)) == 1
    assert "3 of 4 transcripts are left out: more than 4 tokens" in caplog.text
    for number, (values, error, problem) in enumerate(
        [
            ({"init_from": "packaged:multi30k-en-de"}, ModelError, "expected a Whisper model, found Marian"),
            ({"max_length": 4}, DataError, "expected transcripts of at most 4 tokens"),
        ]
    ):
        with pytest.raises(error, match=problem):
            RecognitionLearner(
                _config(whisper_folder, manifest, **values), tmp_path / str(number), torch.device("cpu")
            )
    (tmp_path / "text.jsonl").write_text('{"id": "a", "text": "x", "source_language": "en"}\n')
    with pytest.raises(DataError, match="expected speech of at most 30 s with transcripts"):
        speech_data.load_utterances(str(tmp_path / "text.jsonl"), ("en", "de"))


def test_languages_are_those_that_recognition_knows() -> None:
    def prompt(language: str, vocabulary: int = 51865) -> tuple[int, ...]:
        spoken = Utterance(id="u", text="x", transcript="x", source_language=language)
        return speech_data.encode([spoken], vocabulary, 448, timestamps=False)[0].prompt

    assert prompt("deu") == prompt("de-AT") == prompt("de") != prompt("en")
    assert prompt("und", 51864) == prompt("en", 51864)
    for unknown, vocabulary in (("gsw", 51865), ("und", 51865), ("yue", 51865)):
        with pytest.raises(DataError, match=f"u: expected speech in a language that .* found '{unknown}'"):
            prompt(unknown, vocabulary)
    assert prompt("yue", 51866)
