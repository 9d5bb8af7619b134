"""Translation by an encoder-decoder model of transformers: Marian, M2M, NLLB, mBART, T5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.decoding.candidates import Candidate, told
from components.decoding.combine import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation import rules_of
from components.decoding.members import Member
from components.decoding.rules import Rule
from components.decoding.search import search
from components.decoding.seq2seq import Seq2SeqModel
from components.errors import DataError
from components.languages import NAMES, base_of
from components.models.architectures import MULTILINGUAL
from components.records import Token
from components.translation.languages import NO_TARGET, language_token, refuse_other_direction
from components.translation.source import as_data, control_tokens
from components.translation.translator import Sentence, Translated


class Seq2SeqEngine:
    """An :class:`~components.translation.translator.Engine` over a :class:`Seq2SeqModel`."""

    def __init__(self, ready: Seq2SeqModel, tokenizer: Any, search_config: SearchConfig) -> None:
        self._ready, self._tokenizer, self._search = ready, tokenizer, search_config
        self._config = ready.model.config
        positions = getattr(self._config, "max_encoder_position_embeddings", ready.positions)
        self.max_source = min(int(positions), int(tokenizer.model_max_length))
        self._languages = self._config.model_type in MULTILINGUAL
        self._vocabulary = tokenizer.get_vocab()
        self._controls = control_tokens(tokenizer)
        self._rules: dict[str | None, list[Rule]] = {}
        self._combine: Combiner | None = None

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Token ids with the source language's code, T5's prefix or Marian's target code, and eos."""
        prefix = ""
        if self._languages:
            if target is None:
                raise DataError(NO_TARGET)
            code = language_token(self._tokenizer, source)
            self._tokenizer.src_lang = code.strip("_") if code.startswith("__") else code
            language_token(self._tokenizer, target)
        else:
            prefix = self._prefix(source, target)
        text = prefix + as_data(text, self._controls)
        ids = self._tokenizer(text, truncation=False, verbose=False).input_ids
        return Sentence(tuple(ids), target)

    def _prefix(self, source: str, target: str | None) -> str:
        declared = (
            getattr(self._tokenizer, "source_lang", None),
            getattr(self._tokenizer, "target_lang", None),
        )
        refuse_other_direction(declared, source, target)
        if target is None:
            return ""
        tasks = getattr(self._config, "task_specific_params", None) or {}
        task = tasks.get(f"translation_{base_of(source)}_to_{base_of(target)}")
        if task is not None:
            return str(task.get("prefix", ""))
        for code in (target, base_of(target), NAMES.get(base_of(target), ("",))[0]):
            if f">>{code}<<" in self._vocabulary:
                return f">>{code}<< "
        return ""

    def decode(self, sentences: Sequence[Sentence]) -> list[list[Translated]]:
        """Search one batch."""
        members, rules = self.members(sentences), self._rules_for(sentences[0].target)
        found = search(members, self._search, rules=rules, combine=self._combine)
        return [[self._text(candidate) for candidate in candidates] for candidates in found]

    def members(self, sentences: Sequence[Sentence]) -> list[Member]:
        """The members of one search over a batch of sentences."""
        device, pad = self._ready.model.device, self._ready.vocabulary.pad
        lengths = torch.tensor([len(sentence.tokens) for sentence in sentences])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.full(mask.shape, pad)
        ids[mask] = torch.tensor([token for sentence in sentences for token in sentence.tokens])
        return self._members(ids.to(device), mask.long().to(device))

    def target(self, text: str) -> list[int]:
        """A translation as the ids that the decoder would write, with eos at the end."""
        return [int(token) for token in self._tokenizer(text_target=text, verbose=False).input_ids]

    def _members(self, ids: Tensor, mask: Tensor) -> list[Member]:
        """One per model, over sources ``ids`` (N, S) and their ``mask``."""
        return [self._ready.member(input_ids=ids, attention_mask=mask)]

    def _rules_for(self, target: str | None) -> list[Rule]:
        if target not in self._rules:
            bos = None
            if self._languages and target is not None:
                bos = int(self._vocabulary[language_token(self._tokenizer, target)])
            self._rules[target] = rules_of(self._ready.model, forced_bos=bos)
        return self._rules[target]

    def _text(self, candidate: Candidate) -> Translated:
        return translated(self._tokenizer, candidate)


def translated(
    tokenizer: Any, candidate: Candidate, text: str | None = None, members: Sequence[str] = ()
) -> Translated:
    """A candidate as text with its pieces; ``text`` overrides the plain detokenisation.

    ``members`` are the names of the members that count, in order, whose words and weights the tokens keep.
    """
    ids = [*candidate.tokens, *(() if candidate.ending is None else (candidate.ending,))]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    if text is None:
        text = tokenizer.decode(
            list(candidate.tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    return Translated(
        text=" ".join(text.split()),
        score=candidate.score,
        rank=candidate.rank,
        tokens=tuple(
            Token(
                piece=str(piece),
                log_prob=value,
                members=told(members, candidate.members, place),
                weights=told(members, candidate.weights, place),
            )
            for place, (piece, value) in enumerate(zip(pieces, candidate.log_probs, strict=True))
        ),
        finished=candidate.finished,
    )
