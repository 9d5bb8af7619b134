"""Self-refine (Madaan et al., 2023) by a prompted causal LM: name the problems of a draft, then mend them.

The prompt is few-shot post-editing, for chat and base models alike: models of this size do not criticise
freely. Source, draft and feedback are data: one line each in their place, control tokens taken out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from components.decoding.causal import CausalModel
from components.decoding.config import SearchConfig
from components.decoding.search import search
from components.errors import ConfigError
from components.languages import base_of, english_name
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.decisions import Proposal
from components.translation.causal import answer_rules, newline_tokens
from components.translation.config import TranslationConfig
from components.translation.factory import resident
from components.translation.source import as_data, control_tokens

PROMPTS = Path(__file__).parent / "prompts"
_MARKS = ("Source:", "Draft:", "Problems:", "Corrected:")


class SelfRefiner:
    """Proposes corrections of drafts. ``version`` changes when outputs do."""

    def __init__(self, config: RefineConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device)
        self.checkpoint, ready, self._tokenizer = resident(config.model, settings, store)
        if not isinstance(ready, CausalModel):
            raise ConfigError(f"model: expected a causal language model, found {config.model}")
        self._ready, self._config = ready, config
        self._eos = (*ready.vocabulary.eos, *newline_tokens(self._tokenizer))
        self._controls = (*control_tokens(self._tokenizer), *_MARKS)

    def check(self, item: Utterance) -> None:
        """Raises ConfigError where there are no examples in the languages of an utterance."""
        examples(*_languages(item))

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """A correction of each draft; empty answers keep the draft."""
        if not self._config.feedback:
            return self._correct(items, drafts, [None] * len(items))
        heads = [self._head(item, draft) for item, draft in zip(items, drafts, strict=True)]
        problems = self._write([f"{head}\nProblems:" for head in heads])
        return self._correct(items, drafts, [text for text, _ in problems])

    def revise(
        self, items: Sequence[Utterance], drafts: Sequence[str], feedback: Sequence[str]
    ) -> list[Proposal]:
        """A correction of each draft by another critic's words on it."""
        return self._correct(items, drafts, [self._data(" ".join(words.split())) for words in feedback])

    def _correct(
        self, items: Sequence[Utterance], drafts: Sequence[str], problems: Sequence[str | None]
    ) -> list[Proposal]:
        prompts = []
        for item, draft, words in zip(items, drafts, problems, strict=True):
            middle = "" if words is None else f"\nProblems: {words}"
            prompts.append(f"{self._head(item, draft)}{middle}\nCorrected:")
        written = self._write(prompts)
        return [
            Proposal(text or draft, words, score)
            for (text, score), draft, words in zip(written, drafts, problems, strict=True)
        ]

    def _head(self, item: Utterance, draft: str) -> str:
        """The prompt up to the draft; what was transcribed has no source text that could stand in it."""
        languages = _languages(item)
        transcript = languages[0] == languages[1]
        names = [english_name(language) for language in languages]
        instruction = _read("post_edit_transcript.txt" if transcript else "post_edit.txt")
        lines = [instruction.strip().format(source=names[0], target=names[1])]
        for row in examples(*languages):
            lines += ["", *([] if transcript else [f"Source: {row['source']}"]), f"Draft: {row['draft']}"]
            lines += [f"Problems: {row['problems']}"] if self._config.feedback else []
            lines.append(f"Corrected: {row['target']}")
        source = [] if transcript else [f"Source: {self._data(item.text or '')}"]
        return "\n".join([*lines, "", *source, f"Draft: {self._data(draft)}"])

    def _data(self, text: str) -> str:
        return as_data(text, self._controls)

    def _write(self, prompts: Sequence[str]) -> list[tuple[str, float]]:
        """One line after each prompt, greedily, and its log-probability."""
        ids = [tuple(self._tokenizer(prompt, verbose=False).input_ids) for prompt in prompts]
        config = SearchConfig(beam_size=1, max_new_tokens=self._config.max_tokens)
        member = self._ready.member(ids, eos=self._eos)
        found = search([member], config, rules=answer_rules(self._ready, ids, self._eos))
        lines = []
        for candidate in (row[0] for row in found):
            tokens = [*candidate.tokens, *(() if candidate.ending is None else (candidate.ending,))]
            text = self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            lines.append((self._data(text.strip().split("\n", 1)[0]), candidate.score))
        return lines


def _languages(item: Utterance) -> tuple[str, str]:
    return base_of(item.source_language), base_of(item.target_language or "und")


def examples(source: str, target: str) -> list[dict[str, str]]:
    """The post-edits that the prompt shows for a pair of languages. ConfigError where there are none."""
    rows = [json.loads(line) for line in _read("post_edits.jsonl").splitlines()]
    shots = [row for row in rows if (row["from"], row["to"]) == (source, target)]
    if not shots:
        known = ", ".join(sorted({f"{row['from']}-{row['to']}" for row in rows}))
        raise ConfigError(f"self_refine: expected one of {known}, found {source}-{target}")
    return shots


def _read(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")
