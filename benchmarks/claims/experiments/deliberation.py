"""E1c: deliberation against plain fine-tuning of the same start, at equal updates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, difference_table, score_sections
from benchmarks.claims.workspace import FLICKR16, FLICKR17, PACKAGED, Workspace
from components.claims.statistics.measuring import two_level
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured
from components.decoding.config import SearchConfig
from components.decoding.searches.deliberation import DeliberationModel
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import Utterance
from components.refining.learners import DeliberationLearner
from components.translation.backends.edit_diffusion.model import translate_all
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import VERSION, TranslationConfig
from components.translation.factory import load_resident

TITLE = "Deliberation: does a second pass over the first draft improve it?"
QUESTION = """
A deliberation network has a second decoder that has read the draft of the first one. It is trained on from
a finished translator, and training on alone changes a translator. So the same start is trained on twice, for
as many updates, at the same learning rate, on the same pairs: plainly, and as a deliberation network. What
is the second pass better by than plain fine-tuning, and than its own first pass?
"""
SEEDS = (1, 2, 3)
TESTS = (FLICKR16, FLICKR17)
START, PLAIN, SECOND, FIRST = (
    "start",
    "plain fine-tuning",
    "deliberation",
    "deliberation, its own first pass",
)
TRAINING = {
    "init_from": PACKAGED,
    "max_steps": 300,
    "batch_tokens": 1200,
    "eval_every": 50,
    "eval_sentences": 200,
}
"""Settings of both; the model is the mean of the last 5 checkpoints or the best one, as val prefers."""


def train_deliberation(work: Workspace, seed: int) -> Path:
    """The start, trained on as a deliberation network."""
    return work.train(
        f"deliberation-{seed}", learner=DeliberationLearner, kind="deliberation", seed=seed, **TRAINING
    )


def run(work: Workspace, outputs: Outputs) -> None:
    """Train both with every seed and decode; also the first pass of each deliberation network."""
    models: list[tuple[str, int, Path | str]] = [(START, 0, PACKAGED)]
    for seed in SEEDS:
        models.append((PLAIN, seed, work.train(f"plain-{seed}", seed=seed, **TRAINING)))
        models.append((SECOND, seed, train_deliberation(work, seed)))
    for data in TESTS:
        utterances = work.utterances(data)
        for system, seed, model in models:
            texts = work.translate(utterances, [model])
            outputs.add_translations(data, utterances, system, seed, texts)
            if system == SECOND:
                texts = translate_by_first_pass(work, utterances, Path(model))
                outputs.add_translations(data, utterances, FIRST, seed, texts)


def translate_by_first_pass(work: Workspace, utterances: Sequence[Utterance], model: Path) -> dict[str, str]:
    """What the second decoder reads: the best of a beam of 5 by the network's own first decoder."""

    def decode() -> dict[str, str]:
        config = TranslationConfig(model=str(model), device="cpu")
        _, network, tokenizer = load_resident(str(model), config, None)
        assert isinstance(network, DeliberationModel)
        backend = Seq2SeqBackend(network.first, tokenizer, SearchConfig(beam_size=5))
        texts = translate_all(backend, [u.text or "" for u in utterances], ("en", "de"))
        return {u.id: text for u, text in zip(utterances, texts, strict=True)}

    key = {
        "first pass of": digest_of(model),
        "version": VERSION,
        "beam": 5,
        "texts": [(u.id, u.text) for u in utterances],
    }
    return dict(work.cached(key, decode))


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison."""
    against = partial(compare_systems, outputs, TESTS, SECOND, seeds=outputs.seeds(SECOND))
    return {
        "deliberation.against_first_pass": against(FIRST),
        "deliberation.against_fine_tuning": against(PLAIN),
    }


def _of(outputs: Outputs, system: str) -> list[CorpusStatistics]:
    """Statistics of a system on both sets as one, by seed."""
    return [outputs.joined(TESTS, system, seed) for seed in outputs.seeds(system)]


def page(outputs: Outputs) -> list[str]:
    """Scores, and the differences that explain the registered one."""
    lines = score_sections(outputs, TESTS)
    start = _of(outputs, START)
    pairs = (
        ("plain fine-tuning less the start", two_level(_of(outputs, PLAIN), start, paired=False)),
        ("deliberation less the start", two_level(_of(outputs, SECOND), start, paired=False)),
        ("deliberation less its own first pass", two_level(_of(outputs, SECOND), _of(outputs, FIRST))),
        ("its own first pass less plain fine-tuning", two_level(_of(outputs, FIRST), _of(outputs, PLAIN))),
    )
    header = ("difference in BLEU, both sets", "mean over seeds", "95%", "could see")
    return [*lines, "## Where it comes from (not registered)", difference_table(pairs, header)]
