"""The learner of recognition: fine-tunes a Whisper model, or an adapter of it, on speech with transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

from components.errors import ConfigError
from components.metrics.error_rates.recognition import utterance_errors
from components.models import resolve
from components.models.adapters.adapted_model import copy_beside
from components.training import initialization, lora
from components.training.config import TrainingConfig
from components.training.examples import speech_data
from components.training.examples.bagging import resample_items
from components.training.examples.encoded_speech import EncodedSpeech
from components.training.examples.speech_data import SpeechBatch, SpeechExample
from components.training.loop.cross_entropy import mean_per_token
from components.training.parallel.prefetch import BatchLoader

WINDOW_POSITIONS = 1500
"""Encoder positions of 30 s, to which Whisper pads every recording."""
DECODED_TOGETHER = 8


class RecognitionLearner:
    """Fine-tunes Whisper by label-smoothed cross-entropy of the transcripts; the word error rate decides.

    The development score is word accuracy, 100 - WER, as higher must be better.

    Args:
        config: the settings.
        out: the folder of the training.
        device: where it is computed.
        store: resolves references of models.
        encoded: what the frozen encoder made of recordings, shared by trainings that start from one model.
    """

    score_name = "word_accuracy"

    def __init__(
        self,
        config: TrainingConfig,
        out: Path,
        device: torch.device,
        store: str | None = None,
        encoded: EncodedSpeech | None = None,
    ) -> None:
        del out  # the vocabulary is the model's
        if config.init_from is None:
            raise ConfigError("init_from: expected a Whisper model that recognition starts from, found none")
        self.config = config
        self._checkpoint = resolve(config.init_from, store)
        initialization.require_whisper(self._checkpoint)
        self.model = initialization.load_initial_model(config, store)
        self.model.to(device)
        self._encoded = (encoded or EncodedSpeech()) if config.freeze_encoder else None
        if config.freeze_encoder:
            self.model.get_encoder().requires_grad_(False)
        languages = (config.source_language, config.target_language)
        shape = self.model.config
        self._vocabulary, self._mels = shape.vocab_size, shape.num_mel_bins
        tokens = min(config.max_length, shape.max_target_positions)
        training = speech_data.load_utterances(config.data, languages, config.limit)
        training = list(resample_items(training, config.seed, config.bag))
        dev = speech_data.load_utterances(config.dev, languages)
        self.examples = speech_data.encode(training, self._vocabulary, tokens, timestamps=True)
        self._dev = speech_data.encode(dev, self._vocabulary, shape.max_target_positions, timestamps=False)
        self.lengths = [WINDOW_POSITIONS] * len(self.examples)
        self.loader = BatchLoader(self._collate, device)

    def _collate(self, rows: Sequence[int]) -> SpeechBatch:
        return self.collate([self.examples[i] for i in rows])

    def collate(self, examples: Sequence[SpeechExample]) -> SpeechBatch:
        """Make a batch of examples: of their features, or of what the frozen encoder makes of them."""
        if self._encoded is None:
            return speech_data.collate(examples, speech_data.read_features(examples, self._mels))
        dtype = torch.bfloat16 if self.config.dtype == "bfloat16" else torch.float32
        sound = self._encoded.read(self.model.get_encoder(), examples, self._mels, dtype)
        return speech_data.collate(examples, sound)

    def _inputs(self, sound: Tensor) -> dict[str, Any]:
        """Name what a batch has of sound as transformers does."""
        if self._encoded is None:
            return {"input_features": sound}
        return {"encoder_outputs": BaseModelOutput(last_hidden_state=sound.to(self.model.dtype))}

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the mean label-smoothed cross-entropy of a batch, and the number of its tokens."""
        return self._loss(self.loader.load(rows), self.config.label_smoothing)

    def _loss(self, batch: SpeechBatch, smoothing: float) -> tuple[Tensor, int]:
        scores, labels = self.scores(batch)
        return functional.cross_entropy(scores, labels, label_smoothing=smoothing), len(labels)

    def scores(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Compute logits (T, vocabulary) of a batch's target tokens, recording by recording; and these."""
        sound, inputs, labels = batch
        hidden = self.model.model(
            **self._inputs(sound), decoder_input_ids=inputs, use_cache=False
        ).last_hidden_state
        real = labels != -100
        return self.model.proj_out(hidden[real]).float(), labels[real]

    @torch.no_grad()
    def dev_loss(self) -> float:
        """Return the development set's cross-entropy, nats per token."""
        self.model.eval()
        collated = map(self.collate, self._dev_batches())
        return mean_per_token(
            self._loss(batch.map(lambda t: t.to(self.model.device)), 0.0) for batch in collated
        )

    def dev_score(self) -> float:
        """Return 100 - WER of the first ``eval_sentences`` recordings, recognized greedily."""
        texts = {
            example.utterance.id: text
            for examples in self._dev_batches()
            for example, text in zip(examples, self.recognize(examples), strict=True)
        }
        spoken = {e.utterance.id: e.utterance for e in self._dev if e.utterance.id in texts}
        counts = utterance_errors(
            {key: str(utterance.transcript) for key, utterance in spoken.items()},
            texts,
            language={key: utterance.source_language for key, utterance in spoken.items()},
        ).values()
        return 100.0 - 100.0 * sum(c.errors for c in counts if c.length) / max(
            1, sum(c.length for c in counts)
        )

    def _dev_batches(self) -> Iterator[Sequence[SpeechExample]]:
        examples = self._dev[: self.config.eval_sentences]
        for start in range(0, len(examples), DECODED_TOGETHER):
            yield examples[start : start + DECODED_TOGETHER]

    @torch.no_grad()
    def recognize(self, examples: Sequence[SpeechExample]) -> list[str]:
        """Recognize recordings greedily, without timestamps: as many tokens as the decoder can write."""
        self.model.eval()
        sound = self.collate(examples).sound.to(self.model.device)
        prompts = torch.tensor([example.prompt for example in examples], device=self.model.device)
        # Not Whisper's own generate, which segments long recordings: the search of every transformers model.
        ids = GenerationMixin.generate(
            self.model,
            **self._inputs(sound),
            attention_mask=torch.ones(len(examples), 1),  # Whisper has none; said, it is not guessed
            decoder_input_ids=prompts,
            max_length=self.model.config.max_target_positions,
            num_beams=1,
            do_sample=False,
        )
        tokens = ids[:, prompts.shape[1] :].tolist()
        return [
            speech_data.decode_text(row, example.utterance, self._vocabulary)
            for row, example in zip(tokens, examples, strict=True)
        ]

    def export(self, folder: Path) -> None:
        """Write a Whisper folder that every backend loads, or PEFT's where an adapter was trained."""
        if lora.is_adapted(self.model):
            lora.save_adapter(self.model, folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        copy_beside(Path(self._checkpoint.path), folder)  # its configurations, unchanged, and its tokenizer
