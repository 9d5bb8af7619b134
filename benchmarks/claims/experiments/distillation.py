"""E9: students of an ensemble, of its best member, and of nobody, at equal updates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from benchmarks.claims.experiments.seeds import train_seeds
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.workspace import DEV, FLICKR16, FLICKR17, Workspace
from components.claims.selection import best_on_dev
from components.claims.systems.workbench import Model, digest_of
from components.claims.verdict import Measured
from components.files.files import write_atomically
from components.metrics.statistics.corpus_statistics import text_statistics
from components.training.learners.learner import MakeLearner
from components.training.students.distillation import DistillationLearner
from components.training.students.distillation_config import DistillationConfig

TITLE = "Distillation: students of an ensemble, of one model, and of the references"
QUESTION = """
A student of 2 + 1 layers that starts with layers of the best of three teachers learns for 400 updates from
4,000 sources: with the translations of the three teachers' ensemble, with those of the best of them alone, or
with the references. Is the ensemble the better teacher, and is any teacher better than the references? Two
controls say what more data are worth: all 29,000 pairs, and the ensemble's translations of all their sources.
"""
SEEDS, TEACHERS = (1, 2, 3), (1, 2, 3)
TESTS = (FLICKR16, FLICKR17)
FEW = 4000
LEARNER = cast("MakeLearner", DistillationLearner)
STUDENT: dict[str, Any] = {
    "num_layers": 2,
    "decoder_layers": 1,
    "dropout": 0.1,
    "max_steps": 400,
    "lr_schedule": "linear",
    "learning_rate": 1e-3,
    "warmup_steps": 50,
    "eval_every": 200,
    "eval_sentences": 200,
    "average_checkpoints": 1,
}
ENSEMBLE, SINGLE, NOBODY = (
    "taught by the ensemble",
    "taught by its best member",
    "learned from the references",
)
ALL_PAIRS, ALL_SOURCES = f"{NOBODY}, 29,000 pairs", f"{ENSEMBLE}, 29,000 sources"


def find_teachers(work: Workspace) -> tuple[list[Path], Path]:
    """The teachers, and the best of them: by BLEU on all of val, as they teach (beam 5)."""
    teachers = list(train_seeds(work, TEACHERS).values())
    utterances = work.utterances(DEV)
    references = {u.id: u.references for u in utterances}

    def score(model: Path) -> float:
        texts = work.translate(utterances, [model])
        return text_statistics(references, texts, language="de", n_total=len(texts), names=("bleu",))[
            "bleu"
        ].score()

    return teachers, best_on_dev({model: score(model) for model in teachers})


def teach(work: Workspace, models: Sequence[Model], limit: int | None) -> str:
    """Data of the training sources with the translations (beam 5) of one model or of an ensemble."""
    sources = work.utterances("train", limit=limit)
    texts = work.translate(sources, models)
    name = hashlib.sha256("".join([f"{limit}", *map(digest_of, models)]).encode()).hexdigest()[:12]
    files = [work.folder / "data" / f"taught-{name}.{language}" for language in ("en", "de")]
    for file, lines in zip(
        files, ([u.text or "" for u in sources], [texts[u.id] for u in sources]), strict=True
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, "".join(f"{' '.join(line.split())}\n" for line in lines).encode())
    return ",".join(map(str, files))


def train_students(work: Workspace, seeds: Sequence[int] = SEEDS) -> dict[str, dict[int, Path]]:
    """Students by what taught them and by seed."""
    teachers, best = find_teachers(work)
    arms: Mapping[str, dict[str, Any]] = {
        ENSEMBLE: {"data": teach(work, teachers, FEW)},
        SINGLE: {"data": teach(work, [best], FEW)},
        NOBODY: {"limit": FEW},
        ALL_PAIRS: {},
        ALL_SOURCES: {"data": teach(work, teachers, None)},
    }
    shared = {**STUDENT, "tokenizer": str(best), "init_layers_from": str(best)}
    return {
        arm: {
            seed: work.train(
                f"student-{number}-{seed}",
                learner=LEARNER,
                config=DistillationConfig,
                **{**shared, **settings, "seed": 700 + seed},
            )
            for seed in seeds
        }
        for number, (arm, settings) in enumerate(arms.items(), 1)
    }


def run(work: Workspace, outputs: Outputs) -> None:
    """Teach, train, translate."""
    students = train_students(work)
    teachers, best = find_teachers(work)
    utterances = work.utterances(DEV)
    for seed, model in zip(TEACHERS, teachers, strict=True):
        outputs.add_translations(DEV, utterances, "one teacher", seed, work.translate(utterances, [model]))
    for data in TESTS:
        utterances = work.utterances(data)
        systems: list[tuple[str, int, Sequence[Model]]] = [
            ("teachers: the ensemble", 0, teachers),
            ("teachers: the best member", 0, [best]),
            *((arm, seed, [model]) for arm, models in students.items() for seed, model in models.items()),
        ]
        for system, seed, models in systems:
            texts = work.translate(utterances, models)
            outputs.add_translations(data, utterances, system, seed, texts, keep_texts=seed <= 1)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; without an answer where the single teacher is not the best on val."""
    against = partial(compare_systems, outputs, TESTS, ENSEMBLE, seeds=SEEDS)
    return {
        "distillation.ensemble_against_single": against(SINGLE, refused=_refuse_teacher(outputs)),
        "distillation.taught_against_untaught": against(NOBODY),
    }


def _refuse_teacher(outputs: Outputs) -> list[str]:
    """Why the single teacher is not the one that the ensemble has to beat."""
    best = best_on_dev({n: outputs.statistics(DEV, "one teacher", n).score() for n in TEACHERS})
    used = next(iter(outputs.manifest.models["student-2-1"]["settings"]["init_layers_from"].split("/")[1:]))
    return [] if used == f"zoo-{best}" else [f"the single teacher was {used}, the best on val is zoo-{best}"]


def page(outputs: Outputs) -> list[str]:
    """Scores of teachers and students on both sets."""
    return score_sections(outputs, TESTS, "Scores, beam 5")
