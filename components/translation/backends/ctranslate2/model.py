"""Translation by CTranslate2 (extra ``fast``): encoder-decoder models, converted at first use.

CTranslate2's converter (https://opennmt.net/CTranslate2/guides/transformers.html) is given the weights that
were verified and loaded here, so nothing else of the model's folder is read. The search is the library's;
a second pass scores the tokens, which it does not tell.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from components.compute.device import pick_device
from components.compute.machine import resolve_dtype_name
from components.compute.model_cache import ForeignWeights, model_cache
from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import as_tuple
from components.decoding.models.seq2seq_preparation import UNBOUNDED
from components.errors import ModelError, require_extra, to_one_line
from components.files.digests import cache_folder
from components.files.json_text import parse_json
from components.models.loaders.loading import load_transformers
from components.records import Checkpoint, Token
from components.translation.config import Context
from components.translation.segments.prepared_text import Sentence
from components.translation.segments.sentence_tokenizer import SentenceTokenizer
from components.translation.sentence_translation import SentenceTranslation

PATIENCE = 2.0
"""Hypotheses that end before a search does, by beam size: with the library's 1 three of 100 captions differ
from our search, with 2 none, at an eighth more time."""
COMPUTE_TYPES = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16", "int8": "int8_float32"}


def require_library() -> None:
    """Refuse a machine without CTranslate2. ConfigError."""
    require_extra("backend: ctranslate2", "ctranslate2", "fast", " or use backend torch")


def convert(checkpoint: Checkpoint) -> Path:
    """Return the folder of the converted model, in float32; made once per weights and version of the library.

    Raises:
        ConfigError: The extra is not installed.
        ModelError: The model cannot be loaded or converted.
    """
    require_library()
    from ctranslate2.converters import TransformersConverter  # noqa: PLC0415 - an extra
    from ctranslate2.converters.transformers import BartLoader  # noqa: PLC0415 - an extra

    parts = (checkpoint.sha256[:32], (checkpoint.tokenizer_sha256 or "")[:16], version("ctranslate2"))
    folder = cache_folder() / "ctranslate2" / "-".join(parts)
    if (folder / "model.bin").is_file():
        return folder
    model, tokenizer = load_transformers(checkpoint, "seq2seq")

    class MarianLoader(BartLoader):  # type: ignore[misc]
        """The library's for BART; a Marian model has no token of the beginning, which none needs."""

        def set_config(self, config: Any, model: Any, tokenizer: Any) -> None:
            super().set_config(config, model, tokenizer)
            config.bos_token = tokenizer.eos_token

    class Converter(TransformersConverter):  # type: ignore[misc]
        """The library's, given what is loaded already."""

        def load_model(self, *_: Any, **__: Any) -> Any:
            return model

        def load_tokenizer(self, *_: Any, **__: Any) -> Any:
            return tokenizer

        def _load(self) -> Any:
            return MarianLoader()(model, tokenizer) if _starts_from_pad(model) else super()._load()

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        converted = Path(scratch) / "model"
        try:
            Converter(checkpoint.path).convert(str(converted), quantization="float32")
        except Exception as error:  # the converter raises whatever its many loaders raise
            raise ModelError(
                f"{checkpoint.reference}: CTranslate2 cannot convert {checkpoint.architecture} "
                f"({to_one_line(error, 200)}); use backend torch"
            ) from error
        if not folder.exists():  # else another process was faster
            shutil.move(converted, folder)
    return folder


def _starts_from_pad(model: Any) -> bool:
    """Return whether it is a Marian model whose decoder starts with an embedding of its own.

    That of the Marian toolkit starts with zeros, and so does the library's conversion; models that were
    trained in transformers have weights there. They are converted as BART, of which Marian is a kind.
    """
    if model.config.model_type != "marian":
        return False
    model.config.normalize_before = model.config.normalize_embedding = False
    start = model.get_input_embeddings().weight[model.config.decoder_start_token_id]
    return bool(start.count_nonzero())


@dataclass(frozen=True)
class ConvertedModel:
    """A model in CTranslate2.

    Attributes:
        translator: ``ctranslate2.Translator``.
        tokenizer: transformers' tokenizer of the model that was converted.
        config: transformers' settings of it.
        generation: its settings of generation.
        vocabulary: the pieces that it can write.
        weights: of the model.
    """

    translator: Any
    tokenizer: Any
    config: Any
    generation: Any
    vocabulary: frozenset[str]
    weights: ForeignWeights


def load(checkpoint: Checkpoint, dtype: str, device: torch.device) -> ConvertedModel:
    """Convert a model where that was not done yet, and load it.

    Raises:
        ConfigError: The extra is not installed.
        ModelError: CTranslate2 cannot convert or load it.
    """
    folder, path = convert(checkpoint), Path(checkpoint.path)
    from ctranslate2 import Translator  # noqa: PLC0415 - an extra

    try:
        translator = Translator(
            str(folder),
            device=device.type,
            device_index=device.index or 0,
            compute_type=COMPUTE_TYPES[resolve_dtype_name(dtype, str(device))],
            intra_threads=torch.get_num_threads(),
        )
    except (RuntimeError, ValueError) as error:
        reason = to_one_line(error, 200)
        raise ModelError(f"{checkpoint.reference}: CTranslate2 cannot load it ({reason})") from error
    safe = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(path, **safe)
    has_own = (path / "generation_config.json").is_file()
    names = ("shared_vocabulary.json", "target_vocabulary.json")
    written = next(folder / name for name in names if (folder / name).is_file())
    return ConvertedModel(
        translator,
        AutoTokenizer.from_pretrained(path, **safe),
        config,
        GenerationConfig.from_pretrained(path) if has_own else GenerationConfig.from_model_config(config),
        frozenset(parse_json(written.read_text(encoding="utf-8"))),
        ForeignWeights(str(device), (folder / "model.bin").stat().st_size),
    )


def load_resident(checkpoint: Checkpoint, device_name: str, dtype: str) -> ConvertedModel:
    """Return what :func:`load` loads, once in a process for equal settings."""
    device = pick_device(device_name)
    threads = torch.get_num_threads() if device.type == "cpu" else 0
    key = ("ctranslate2", *checkpoint.identity, str(device), dtype, threads)
    return model_cache.get(key, lambda: load(checkpoint, dtype, device))


class CTranslate2Backend(SentenceTokenizer):
    """A :class:`.ContextBackend` over CTranslate2's translator.

    Args:
        model: the model.
        search_config: beam, n-best, limit and length penalty.
        context: what is read of the sentences before one.
    """

    def __init__(
        self, model: ConvertedModel, search_config: SearchConfig, context: Context | None = None
    ) -> None:
        positions = int(getattr(model.config, "max_position_embeddings", 0) or UNBOUNDED)
        room, tokenizer = search_config.max_new_tokens + 1, model.tokenizer
        super().__init__(tokenizer, model.config, positions=positions, room=room, context=context)
        self._model, self._search = model.translator, search_config
        words = [tokenizer.convert_ids_to_tokens(list(w)) for w in model.generation.bad_words_ids or ()]
        self._suppressed = [word for word in words if model.vocabulary.issuperset(word)]
        self._forced_bos = as_tuple(model.generation.forced_bos_token_id)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        """Search one batch."""
        sources = [self._tokenizer.convert_ids_to_tokens(list(s.tokens)) for s in sentences]
        prefixes = [self._prefix_of(sentence) for sentence in sentences]
        results = self._model.translate_batch(
            sources,
            target_prefix=prefixes if any(prefixes) else None,
            beam_size=self._search.beam_size,
            num_hypotheses=self._search.n_best,
            length_penalty=self._search.length_penalty,
            patience=PATIENCE,
            max_decoding_length=self._search.max_new_tokens + len(prefixes[0]),
            max_input_length=0,
            suppress_sequences=self._suppressed or None,
        )
        rows = [(n, pieces) for n, result in enumerate(results) for pieces in result.hypotheses]
        scores = iter(self._model.score_batch([sources[n] for n, _ in rows], [pieces for _, pieces in rows]))
        return [
            sorted(
                (self._to_translation(pieces, next(scores), sentence) for pieces in result.hypotheses),
                key=lambda translation: -translation.rank,
            )
            for result, sentence in zip(results, sentences, strict=True)
        ]

    def _prefix_of(self, sentence: Sentence) -> list[str]:
        """The pieces that the decoder is given: what was written before, or the token of the language."""
        ids = sentence.prefix or self._first_tokens(sentence)
        pieces: list[str] = self._tokenizer.convert_ids_to_tokens(list(ids))
        return pieces

    def _first_tokens(self, sentence: Sentence) -> tuple[int, ...]:
        first = self._first_token(sentence.target)
        return self._forced_bos[:1] if first is None else (first,)

    def _to_translation(self, pieces: list[str], scored: Any, sentence: Sentence) -> SentenceTranslation:
        """Return a hypothesis without the context that it goes on after; its end counts where it ended."""
        given, limit = len(sentence.prefix), self._search.max_new_tokens
        forced = 0 if given else len(self._first_tokens(sentence))
        finished = len(pieces) - given < limit + forced
        tokens = [
            Token(piece=piece, log_prob=0.0 if place < forced else min(float(value), 0.0))
            for place, (piece, value) in enumerate(zip(scored.tokens, scored.log_probs, strict=True))
        ][given : None if finished else len(pieces)]
        ids = self._tokenizer.convert_tokens_to_ids(pieces[given:])
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        score = math.fsum(token.log_prob for token in tokens)
        return SentenceTranslation(
            text=" ".join(text.split()),
            score=score,
            rank=score / max(len(tokens), 1) ** self._search.length_penalty,
            tokens=tuple(tokens),
            finished=finished,
        )
