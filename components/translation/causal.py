"""Translation by a prompted decoder-only model: a few-shot prompt, or the tokenizer's chat template.

The texts of the prompts are in ``prompts/``. The source is data: one line, in its place between delimiters,
with those delimiters and all control tokens taken out of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from components.decoding import rules
from components.decoding.candidates import Candidate
from components.decoding.causal import CausalModel
from components.decoding.config import SearchConfig
from components.decoding.generation import rules_of
from components.decoding.rules import Rule
from components.decoding.search import search
from components.errors import ConfigError, DataError
from components.languages import base_of, english_name
from components.translation.examples import read_examples
from components.translation.languages import NO_TARGET
from components.translation.seq2seq import translated
from components.translation.source import as_data, control_tokens
from components.translation.translator import Sentence, Translated

PROMPTS = Path(__file__).parent / "prompts"
_OPEN, _CLOSE = "<text>", "</text>"
_TURN_ENDS = ("<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>", "<|end|>")


class CausalEngine:
    """An :class:`~components.translation.translator.Engine` over a :class:`CausalModel`."""

    def __init__(
        self,
        ready: CausalModel,
        tokenizer: Any,
        search_config: SearchConfig,
        *,
        prompt: Literal["auto", "few-shot", "chat"] = "auto",
        examples: str | None = None,
    ) -> None:
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if prompt == "chat" and not has_template:
            raise ConfigError(
                f"{ready.name}: expected a chat template for prompt chat, found none: use few-shot"
            )
        self._chat = prompt == "chat" or (prompt == "auto" and has_template)
        self._ready, self._tokenizer, self._search = ready, tokenizer, search_config
        self._given = None if examples is None else read_examples(Path(examples))
        self._shared = [json.loads(line) for line in _read("examples.jsonl").splitlines()]
        self.max_source = ready.positions - search_config.max_new_tokens
        if self.max_source < 1:
            raise ConfigError(
                f"{ready.name}: expected max_tokens below its {ready.positions} positions, "
                f"found {search_config.max_new_tokens}"
            )
        self._newlines = () if self._chat else newline_tokens(tokenizer)
        self._controls = (*control_tokens(tokenizer), _OPEN, _CLOSE)
        vocabulary = tokenizer.get_vocab()
        ends = [vocabulary[end] for end in _TURN_ENDS if end in vocabulary]
        self._eos = tuple(dict.fromkeys([*ready.vocabulary.eos, *ends, *self._newlines]))

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """The whole prompt as token ids."""
        if target is None:
            raise DataError(NO_TARGET)
        pairs = self._examples(base_of(source), base_of(target))
        names = english_name(source), english_name(target)
        text = as_data(text, self._controls)
        if self._chat:
            messages = chat_messages(text, pairs, *names)
            prompt = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = self._tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
        else:
            ids = self._tokenizer(few_shot_prompt(text, pairs, *names), verbose=False).input_ids
        return Sentence(tuple(ids), target)

    def answer(self, text: str) -> tuple[int, ...]:
        """A translation as what follows the prompt, with what ends it: to be scored, not searched."""
        text = as_data(text, self._controls)
        if self._chat:
            return (*self._tokenizer(text, add_special_tokens=False).input_ids, self._eos[0])
        return tuple(self._tokenizer(f" {text}\n", add_special_tokens=False).input_ids)

    def _examples(self, source: str, target: str) -> list[tuple[str, str]]:
        if self._given is not None:
            return self._given
        return [(row[source], row[target]) for row in self._shared if source in row and target in row]

    def decode(self, sentences: Sequence[Sentence]) -> list[list[Translated]]:
        """Search one batch."""
        prompts = [sentence.tokens for sentence in sentences]
        member = self._ready.member(prompts, eos=self._eos)
        found = search([member], self._search, rules=answer_rules(self._ready, prompts, self._eos))
        return [[self._text(candidate) for candidate in candidates] for candidates in found]

    def _text(self, candidate: Candidate) -> Translated:
        tokens = list(candidate.tokens)
        if candidate.ending in self._newlines and candidate.ending is not None:
            tokens.append(candidate.ending)  # it may carry the last full stop: ".\n" is one token for some
        text = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        line = text.replace(_OPEN, " ").replace(_CLOSE, " ").strip().split("\n", 1)[0]
        return translated(self._tokenizer, candidate, line)


def answer_rules(ready: CausalModel, prompts: Sequence[Sequence[int]], eos: tuple[int, ...]) -> list[Rule]:
    """Those of the model's settings, and no answer is empty."""
    return [rules.suppress_at(0, eos), *rules_of(ready.model, eos=eos, prompts=prompts)]


def few_shot_prompt(text: str, pairs: Sequence[tuple[str, str]], source: str, target: str) -> str:
    """Examples as pairs of lines, the text as the last pair's first line; the model writes the second."""
    shots = [f"{source}: {one}\n{target}: {other}\n" for one, other in pairs]
    head = _read("few_shot.txt").strip().format(source=source, target=target)
    return "\n".join([f"{head}\n", *shots, f"{source}: {text}\n{target}:"])


def chat_messages(
    text: str, pairs: Sequence[tuple[str, str]], source: str, target: str
) -> list[dict[str, str]]:
    """Instructions, examples as earlier turns, and the text between delimiters in the last turn."""
    instructions = _read("chat.txt").strip().format(source=source, target=target, open=_OPEN, close=_CLOSE)
    turns = [{"role": "system", "content": instructions}]
    for one, other in pairs:
        turns += [
            {"role": "user", "content": f"{_OPEN}{one}{_CLOSE}"},
            {"role": "assistant", "content": other},
        ]
    return [*turns, {"role": "user", "content": f"{_OPEN}{text}{_CLOSE}"}]


def newline_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Every token whose text holds a line break: where a line of the few-shot prompt ends."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    marks = ("Ċ", "\n") if any(piece.startswith("Ġ") for piece in vocabulary) else ("\n", "<0x0A>")
    return tuple(sorted(index for piece, index in vocabulary.items() if any(mark in piece for mark in marks)))


def _read(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")
