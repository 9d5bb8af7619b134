"""Self-refine (Madaan et al., 2023) by a prompted causal LM: name a draft's problems, then correct them.

The prompt is few-shot post-editing, for chat and base models alike: models of this size do not criticize
freely. Source, draft and feedback are untrusted data: one line each, with control tokens removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.searches.search import search
from components.endpoints.chat import open_chat
from components.endpoints.connection import AnswerError
from components.errors import ConfigError
from components.models.references import is_elsewhere, split_reference
from components.models.sources.served import served_model
from components.records import Utterance
from components.refining.config import RefineConfig
from components.refining.judging.decisions import Proposal
from components.served_usage import add_counts
from components.text.languages import UNDETERMINED, english_name, two_letters_of
from components.text.sanitization import as_prompt_data, find_control_tokens, sanitize
from components.translation.backends.causal.model import answer_logits_processors, find_newline_tokens
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident

PROMPTS = Path(__file__).parent / "prompts"
PROMPT_LABELS = ("Source:", "Draft:", "Problems:", "Corrected:")


class Line(NamedTuple):
    """A line that a model wrote, its log-probability (nats) if known, and what a served model counted."""

    text: str
    score: float | None
    counts: Mapping[str, float] = MappingProxyType({})


class SelfRefiner:
    """Proposes corrections of drafts."""

    def __init__(self, config: RefineConfig, store: str | None) -> None:
        settings = TranslationConfig(model=config.model, device=config.device, dtype=config.dtype)
        self.checkpoint, ready, self._tokenizer = load_resident(config.model, settings, store)
        if not isinstance(ready, CausalModel):
            raise ConfigError(f"model: expected a causal language model, found {config.model}")
        self._ready, self._config = ready, config
        self._eos = (*ready.vocabulary.eos, *find_newline_tokens(self._tokenizer))
        self._controls = (*find_control_tokens(self._tokenizer), *PROMPT_LABELS)

    def check(self, item: Utterance) -> None:
        """Refuse an utterance in languages for which the prompt has no examples: ConfigError."""
        read_examples(*_languages(item))

    def propose(self, items: Sequence[Utterance], drafts: Sequence[str], step: int) -> list[Proposal]:
        """Propose a correction of each draft; an empty answer keeps the draft."""
        if not self._config.feedback:
            return self._correct(items, drafts, [None] * len(items))
        heads = [self._prompt_head(item, draft) for item, draft in zip(items, drafts, strict=True)]
        problems = self._generate_lines([f"{head}\nProblems:" for head in heads])
        proposals = self._correct(items, drafts, [line.text for line in problems])
        return [
            proposal._replace(counts=add_counts([line.counts, proposal.counts]))
            for line, proposal in zip(problems, proposals, strict=True)
        ]

    def revise(
        self, items: Sequence[Utterance], drafts: Sequence[str], feedback: Sequence[str]
    ) -> list[Proposal]:
        """Propose a correction of each draft, given another critic's feedback on it."""
        return self._correct(
            items, drafts, [self._as_prompt_data(" ".join(words.split())) for words in feedback]
        )

    def _correct(
        self, items: Sequence[Utterance], drafts: Sequence[str], problems: Sequence[str | None]
    ) -> list[Proposal]:
        prompts = []
        for item, draft, words in zip(items, drafts, problems, strict=True):
            middle = "" if words is None else f"\nProblems: {words}"
            prompts.append(f"{self._prompt_head(item, draft)}{middle}\nCorrected:")
        answers = self._generate_lines(prompts)
        return [
            Proposal(line.text or draft, words, line.score, counts=line.counts)
            for line, draft, words in zip(answers, drafts, problems, strict=True)
        ]

    def _prompt_head(self, item: Utterance, draft: str) -> str:
        """Return the prompt up to and with the draft; that of a transcript has no source text."""
        languages = _languages(item)
        transcript = languages[0] == languages[1]
        names = [english_name(language) for language in languages]
        instruction = read_prompt_file("post_edit_transcript.txt" if transcript else "post_edit.txt")
        lines = [instruction.strip().format(source=names[0], target=names[1])]
        for row in self._examples_for(*languages):
            lines += ["", *([] if transcript else [f"Source: {row['source']}"]), f"Draft: {row['draft']}"]
            lines += [f"Problems: {row['problems']}"] if self._config.feedback else []
            lines.append(f"Corrected: {row['target']}")
        source = [] if transcript else [f"Source: {self._as_prompt_data(item.text or '')}"]
        return "\n".join([*lines, "", *source, f"Draft: {self._as_prompt_data(draft)}"])

    def _examples_for(self, source: str, target: str) -> list[dict[str, str]]:
        return read_examples(source, target)

    def _as_prompt_data(self, text: str) -> str:
        return sanitize(text, self._controls)

    def _generate_lines(self, prompts: Sequence[str]) -> list[Line]:
        """Write a line after each prompt, greedily, with its log-probability; "" where that is too long."""
        tokens = [tuple(self._tokenizer(prompt, verbose=False).input_ids) for prompt in prompts]
        room = self._ready.positions - self._config.max_tokens
        short = [number for number, prompt in enumerate(tokens) if len(prompt) <= room]
        lines = [Line("", None)] * len(prompts)
        if not short:
            return lines
        ids = [tokens[number] for number in short]
        config = SearchConfig(beam_size=1, max_new_tokens=self._config.max_tokens)
        scorer = self._ready.build_scorer(ids, eos=self._eos)
        candidate_lists = search(
            [scorer], config, logits_processors=answer_logits_processors(self._ready, ids, self._eos)
        )
        for number, (candidate, *_) in zip(short, candidate_lists, strict=True):
            text = self._tokenizer.decode(
                list(candidate.all_tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            lines[number] = Line(self._as_prompt_data(text.strip().split("\n", 1)[0]), candidate.score)
        return lines


def _languages(item: Utterance) -> tuple[str, str]:
    return two_letters_of(item.source_language), two_letters_of(item.target_language or UNDETERMINED)


def read_examples(source: str, target: str) -> list[dict[str, str]]:
    """Return the post-edits that the prompt shows for a language pair; ConfigError where there are none."""
    shots = find_examples(source, target)
    if not shots:
        pairs = ", ".join(sorted({f"{row['from']}-{row['to']}" for row in _read_rows()}))
        raise ConfigError(f"self_refine: expected one of {pairs}, found {source}-{target}")
    return shots


def find_examples(source: str, target: str) -> list[dict[str, str]]:
    """Return the post-edits of a language pair, if there are any."""
    return [row for row in _read_rows() if (row["from"], row["to"]) == (source, target)]


def _read_rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in read_prompt_file("post_edits.jsonl").splitlines()]


def read_prompt_file(name: str) -> str:
    """Return a text of the prompts."""
    return (PROMPTS / name).read_text(encoding="utf-8")


class ServedSelfRefiner(SelfRefiner):
    """Asks a served model in one turn; languages for which the prompt has no examples go without."""

    def __init__(self, config: RefineConfig) -> None:
        name = split_reference(config.model)[1]
        self.checkpoint = served_model(name)
        self._config, self._model = config, open_chat(name, again=True)
        self._instructions = read_prompt_file("served.txt").strip()

    def check(self, item: Utterance) -> None:
        """Refuse nothing: which languages the model knows is known to its server at most."""

    def _examples_for(self, source: str, target: str) -> list[dict[str, str]]:
        return find_examples(source, target)

    def _as_prompt_data(self, text: str) -> str:
        return sanitize(as_prompt_data(text), PROMPT_LABELS)

    def _generate_lines(self, prompts: Sequence[str]) -> list[Line]:
        conversations = [(("system", self._instructions), ("user", prompt)) for prompt in prompts]
        lines = []
        for answer in self._model.generate(conversations, self._config.max_tokens):
            if isinstance(answer, AnswerError):
                raise answer  # the caller singles out the text
            text = self._as_prompt_data(answer.text.split("\n", 1)[0])
            lines.append(Line(text, answer.score if answer.tokens else None, answer.counts))
        return lines


def make_self_refiner(config: RefineConfig, store: str | None) -> SelfRefiner:
    """Return the refiner of a model, served or here."""
    return ServedSelfRefiner(config) if is_elsewhere(config.model) else SelfRefiner(config, store)
