"""E17: edit diffusion that starts from a finished translator's drafts."""

from __future__ import annotations

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.workspace import DEV, FLICKR16, PACKAGED, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.systems.refining import refine
from components.claims.verdict import Measured
from components.decoding.searches.edit_diffusion import TAG_CHOICES
from components.refining.config import RefineConfig
from components.refining.learners import EditDiffusionLearner

TITLE = "Edit diffusion: a draft refined step by step"
QUESTION = """
A tagger and a writer start from the packaged translator and learn for 2,000 updates to undo random edits of
references: which words to keep, replace, delete, and where to insert. Two steps are taken from the drafts of
the packaged translator. Are they better than the drafts? How tags are chosen (the most likely one, or so
that as many edits are made as are expected) and the number of steps are chosen by BLEU on val.
"""
SEEDS, STEPS = (1, 2, 3), 2
DRAFT = "draft"
TRAINING = {
    "init_from": PACKAGED,
    "kind": "edit_diffusion",
    "max_steps": 2000,
    "eval_every": 250,
    "eval_sentences": 150,
    "batch_tokens": 1500,
}


def name_of(tags: str, step: int) -> str:
    """The system after a step with a choice of tags."""
    return f"tags {tags}, step {step}"


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, refine the drafts on val and on the test set."""
    for data in (DEV, FLICKR16):
        utterances = work.utterances(data)
        drafts = work.translate(utterances, [PACKAGED])
        for seed in SEEDS:
            outputs.add_translations(data, utterances, DRAFT, seed, drafts)
            name = f"edit-diffusion-{seed}"
            config = RefineConfig(
                method="diffusion",
                model=str(work.train(name, learner=EditDiffusionLearner, seed=seed, **TRAINING)),
                gate="off",
                device="cpu",
                batch_size=64,
            )
            for tags in TAG_CHOICES:
                for step, texts in enumerate(refine(work, utterances, drafts, config, STEPS, tags), 1):
                    outputs.add_translations(data, utterances, name_of(tags, step), seed, texts)


def _chosen_systems(outputs: Outputs) -> list[str]:
    """By seed the refined system of highest BLEU on val."""
    names = [name_of(tags, step) for tags in TAG_CHOICES for step in range(1, STEPS + 1)]
    return [max(names, key=lambda name: outputs.statistics(DEV, name, seed).score()) for seed in SEEDS]


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison."""
    refined = list(zip(_chosen_systems(outputs), SEEDS, strict=True))
    return {"edit_diffusion.against_draft": compare_systems(outputs, FLICKR16, refined, DRAFT, SEEDS)}


def page(outputs: Outputs) -> list[str]:
    """Choices on val, and all scores."""
    rows = list(zip(map(str, SEEDS), _chosen_systems(outputs), strict=True))
    choices = markdown_table(("seed", "system"), rows)
    return ["## Chosen on val", choices, *score_sections(outputs, (DEV, FLICKR16))]
