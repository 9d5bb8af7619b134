"""Speculative decoding: a student proposes for its teacher, or for four as one, beside transformers'."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers.utils import logging

from benchmarks.common.sections import Result, option
from components import data
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.searches.search import search
from components.decoding.searches.speculative import Draft
from components.ensembling.token_level.combiners import LinearInterpolation
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import TranslationConfig
from components.translation.factory import load_resident
from components.translation.segments.prepared_text import Sentence

PAGE = "speed-speculative"
GREEDY = SearchConfig(beam_size=1, max_new_tokens=96)
COPIES = 4

Tokens = list[tuple[int, ...]]
System = Callable[[], tuple[Tokens, Counter[int]]]
"""Decodes all sentences: their tokens, and the calls of the model (0) and of the draft model (-1)."""
OPTIONS = {
    "target": option("packaged:multi30k-en-de"),
    "draft": option(str, "its student: store:KEY of a distill run, or a path", required=True),
    "store": option(str, "store of store:KEY"),
    "sentences": option(24),
    "rounds": option(3),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """CPU seconds of every system by round, its calls, and how many outputs are those of greedy search."""
    torch.set_num_threads(1)
    systems = build_systems(options)
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    outputs: dict[str, tuple[Tokens, Counter[int]]] = {}
    for number in range(options.rounds + 1):
        for name, run in systems.items():
            begun = time.process_time()
            outputs[name] = run()
            if number:  # the first round warms up
                seconds[name].append(round(time.process_time() - begun, 3))
    expected = outputs["one, batch 1, greedy"][0]
    values = {
        name: {
            "seconds": seconds[name],
            "calls": outputs[name][1][0],
            "draft_calls": outputs[name][1][-1],
            "equal": sum(a == b for a, b in zip(outputs[name][0], expected, strict=True)),
        }
        for name in systems
    }
    whole = {
        "systems": values,
        "sentences": options.sentences,
        "rounds": options.rounds,
        "copies": COPIES,
        "tokens": sum(map(len, expected)) + len(expected),
    }
    yield Result("systems", whole, [options.target])


def build_systems(options: argparse.Namespace) -> dict[str, System]:
    """Every system, ready to run."""
    config = TranslationConfig(model=options.target, beam_size=1, device="cpu")
    _, model, tokenizer = load_resident(options.target, config, options.store)
    _, draft, _ = load_resident(options.draft, config, options.store)
    target, student = (Seq2SeqBackend(m, tokenizer, GREEDY) for m in (model, draft))  # type: ignore[arg-type]
    texts = data.load("multi30k:test_2016_flickr", limit=options.sentences).utterances
    sentences = [target.prepare(str(u.text), "en", "de") for u in texts]
    systems: dict[str, System] = {}
    for members, title in ((1, "one"), (COPIES, "four")):
        for size in (1, 16):
            for n_tokens in (0, 2, 4):
                form = f"draft of {n_tokens}" if n_tokens else "greedy"
                run = _with_draft(target, student, sentences, (members, size, n_tokens))
                systems[f"{title}, batch {size}, {form}"] = run
    for name, assistant in (("generate", None), ("assisted generation", options.draft)):
        systems[f"transformers, batch 1, {name}"] = _with_transformers(
            options.target, assistant, options.store, sentences
        )
    return systems


def _with_draft(
    target: Seq2SeqBackend,
    student: Seq2SeqBackend,
    sentences: Sequence[Sentence],
    sizes: tuple[int, int, int],
) -> System:
    members, batch, n_tokens = sizes
    combine = LinearInterpolation([1 / members] * members) if members > 1 else None

    def run() -> tuple[Tokens, Counter[int]]:
        tokens, calls = Tokens(), Counter[int]()
        for start in range(0, len(sentences), batch):
            part = sentences[start : start + batch]
            opened = [target.open_search(part) for _ in range(members)]
            draft = Draft(student.open_search(part)[0], n_tokens) if n_tokens else None
            nbests = search(
                [scorer for scorer, _ in opened],
                GREEDY,
                logits_processors=opened[0][1],
                combiner=combine,
                calls=calls,
                guidance=Guidance(draft=draft),
            )
            tokens += [candidates[0].tokens for candidates in nbests]
        return tokens, calls

    return run


def _with_transformers(
    target: str, assistant: str | None, store: str | None, sentences: Sequence[Sentence]
) -> System:
    model, _ = load_transformers(resolve(target, store), "seq2seq", "cpu", "float32")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # a warning for every sentence
    settings: dict[str, Any] = {}
    if assistant is not None:
        settings["assistant_model"] = load_transformers(
            resolve(assistant, store), "seq2seq", "cpu", "float32"
        )[0]

    def run() -> tuple[Tokens, Counter[int]]:
        tokens = Tokens()
        for sentence in sentences:
            ids = torch.tensor([sentence.tokens])
            with torch.inference_mode():
                row = model.generate(
                    input_ids=ids, num_beams=1, do_sample=False, max_new_tokens=96, **settings
                )
            eos = model.generation_config.eos_token_id
            tokens.append(tuple(token for token in row[0, 1:].tolist() if token != eos))
        return tokens, Counter()

    return run
