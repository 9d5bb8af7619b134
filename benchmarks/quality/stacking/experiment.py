"""The homograph experiment: audio, states, transcripts, two trainings that differ in the sound, choices."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.claims.speech.homographs import Sentence, sentences
from components.decoding.config import SearchConfig
from components.decoding.search import search
from components.models.checkpoints import checkpoint_of
from components.networks.stacked_model import Sources
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build as build_recognizer
from components.records import NBest, Utterance
from components.stacking.config import SpeechConfig
from components.stacking.cross_scoring import force_texts
from components.stacking.encoder_states import EncoderStates, write_states
from components.stacking.model_folder import LoadedStackedModel, from_text_model, load_stacked
from components.stacking.padding import pad_states, pad_texts
from components.stacking.speech_encoder import SpeechEncoder
from components.stacking.stacked_scorer import StackedScorer
from components.stacking.training.learner import SpokenPair, StackLearner
from components.synthesis.config import SynthesisConfig
from components.synthesis.markup import strip_marks
from components.synthesis.synthesizer import build
from components.training.batches import plan_epoch
from components.training.config import TrainingConfig
from components.training.trainer import train

VOICES = {
    "train": ("en-us+m3", "en-us+f2", "en-us+m1", "en-us+f3"),
    "dev": ("en-us+m4",),
    "test": ("en-us+m7", "en-us+f4"),
}
"""espeak-ng's voices: those of the test are heard nowhere else."""
COPIES, DEV, STEPS_TIMED = 2, 120, 12
TEXT_MODEL = "packaged:multi30k-en-de"
SPEECH = SpeechConfig()


@dataclass(frozen=True)
class Spoken:
    """The set with its audio: utterances by part, and the sentence of each."""

    utterances: dict[str, list[Utterance]]
    sentence: dict[str, Sentence]
    states: EncoderStates


def prepare_speech(folder: Path) -> Spoken:
    """Speech (espeak-ng, phonemes forced) and encoder states; what is there is kept."""
    everything = sentences()
    train_set = [s for s in everything if s.split == "train"]
    test = [s for s in everything if s.split != "train"]
    plans = {
        "train": [(s, copy) for copy in range(COPIES) for s in train_set],
        "dev": [(s, 9) for s in train_set[:: len(train_set) // DEV]],
        "test": [(s, 0) for s in test],
    }
    encoder = SpeechEncoder(SPEECH, device="cpu")
    utterances: dict[str, list[Utterance]] = {}
    sentence: dict[str, Sentence] = {}
    for part, plan in plans.items():
        voice = build(SynthesisConfig(engine="espeak-ng", voices=VOICES[part]))
        written = []
        for s, copy in plan:
            written.append(
                Utterance(
                    id=f"{part}-{copy}-{s.id}", text=s.marked, source_language="en", references=(s.german,)
                )
            )
            sentence[written[-1].id] = s
        spoken = voice.synthesize(written, folder / part)
        utterances[part] = [u for u in spoken if isinstance(u, Utterance)]
        assert len(utterances[part]) == len(written), [u for u in spoken if not isinstance(u, Utterance)][:3]
        write_states(encoder, utterances[part], folder / f"states-{part}")
    return Spoken(utterances, sentence, EncoderStates(*(folder / f"states-{part}" for part in plans)))


def transcribe(spoken: Spoken, folder: Path) -> dict[str, str]:
    """What Whisper base (greedy) hears in the test set."""
    path = folder / "heard.json"
    if not path.exists():
        recognizer = build_recognizer(RecognitionConfig(beam_size=1, n_best=1, window_seconds=8.0))
        outcomes = recognizer.recognize(spoken.utterances["test"])
        path.write_text(json.dumps({o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}))
    texts: dict[str, str] = json.loads(path.read_text())
    return texts


def training_config(steps: int, seed: int = 1) -> TrainingConfig:
    return TrainingConfig(
        data="homographs",
        dev="homographs",
        init_from=TEXT_MODEL,
        max_steps=steps,
        warmup_steps=50,
        seed=seed,
        learning_rate=1e-3,
        batch_tokens=700,
        eval_every=100,
        eval_sentences=DEV,
        average_checkpoints=3,
        dropout=0.1,
        patience=100,
        device="cpu",
        dtype="float32",
    )


def learner_of(
    spoken: Spoken, settings: TrainingConfig, device: torch.device, *, with_sound: bool
) -> StackLearner:
    """The stacked model with its data, or the same model and data without the sound."""
    states: dict[str, Tensor] = {}
    if with_sound:
        states = {u.id: spoken.states[u.id] for part in ("train", "dev") for u in spoken.utterances[part]}

    def pairs(part: str) -> list[SpokenPair]:
        return [SpokenPair(u.id, (str(u.transcript),), u.references[0]) for u in spoken.utterances[part]]

    # Words that are held out are read in training, in both readings, and not heard.
    read = [
        SpokenPair(f"read-{s.id}", (strip_marks(s.marked),), s.german)
        for s in sentences()
        if s.split == "words"
    ]
    torch.manual_seed(settings.seed)
    ready = from_text_model(TEXT_MODEL, "dual", SPEECH, 512, 1, None)
    return StackLearner(settings, ready, (pairs("train") + read, pairs("dev")), states, device)


def train_listener(spoken: Spoken, folder: Path, steps: int, *, with_sound: bool) -> LoadedStackedModel:
    """Train (or go on), unless the model is there."""
    if not (folder / "model").exists():
        train(
            training_config(steps),
            folder,
            lambda row: print(json.dumps(row), flush=True),
            lambda settings, out, device: learner_of(spoken, settings, device, with_sound=with_sound),
        )
    return load_stacked(checkpoint_of(folder / "model", str(folder)))


def seconds_per_step(spoken: Spoken) -> dict[str, float]:
    """Median CPU seconds of an optimiser step of each model, steps of the two in turn."""
    settings = training_config(STEPS_TIMED)
    cpu = torch.device("cpu")
    learners = {n: learner_of(spoken, settings, cpu, with_sound=n == "dual") for n in ("dual", "text")}
    optimizers = {n: torch.optim.AdamW(e.model.parameters(), fused=True) for n, e in learners.items()}
    spent: dict[str, list[float]] = {name: [] for name in learners}
    for rows in plan_epoch(learners["dual"].lengths, settings.batch_tokens, 1, 0)[:STEPS_TIMED]:
        for name, learner in learners.items():
            learner.model.train()
            started = time.thread_time()
            learner.loss(rows)[0].backward()
            optimizers[name].step()
            optimizers[name].zero_grad()
            spent[name].append(time.thread_time() - started)
    return {name: statistics.median(values) for name, values in spent.items()}


def encode_sources(
    ready: LoadedStackedModel, utterances: list[Utterance], texts: list[str], states: EncoderStates | None
) -> Sources:
    text, mask = pad_texts([[ready.tokenizer(t).input_ids] for t in texts], ready.model.config.pad_token_id)
    if states is None:
        n = len(utterances)
        return Sources(text, mask, torch.zeros(n, 1, 512), torch.zeros(n, 1, dtype=torch.bool))
    return Sources(text, mask, *pad_states([states[u.id] for u in utterances]))


@dataclass(frozen=True)
class Verdict:
    """Of one test utterance: the right reading preferred, and which reading the free translation shows."""

    sentence: Sentence
    preferred: bool
    written: bool
    text: str


def judge_readings(
    ready: LoadedStackedModel, spoken: Spoken, texts: dict[str, str] | None, *, with_sound: bool
) -> list[Verdict]:
    """Forced choice between the references, and greedy translation; ``texts``: None = true transcripts."""
    verdicts = []
    test = spoken.utterances["test"]
    states = spoken.states if with_sound else None
    for start in range(0, len(test), 32):
        batch = test[start : start + 32]
        read = [str(u.transcript) if texts is None else texts[u.id] for u in batch]
        batch_sentences = [spoken.sentence[u.id] for u in batch]

        batch_sources = encode_sources(ready, batch, read, states)
        right = force_texts(
            [StackedScorer(ready, batch_sources)], ready.tokenizer, [s.german for s in batch_sentences]
        )
        wrong = force_texts(
            [StackedScorer(ready, batch_sources)], ready.tokenizer, [s.other for s in batch_sentences]
        )
        free = search([StackedScorer(ready, batch_sources)], SearchConfig(beam_size=1, max_new_tokens=60))
        for s, a, b, candidates in zip(batch_sentences, right, wrong, free, strict=True):
            text = ready.tokenizer.decode(candidates[0].tokens, skip_special_tokens=True)
            words = set(text.replace(".", " ").split())
            mine, other = (set(key.split()) <= words for key in s.keys)
            verdicts.append(Verdict(s, a.score > b.score, mine and not other, text))
    return verdicts
