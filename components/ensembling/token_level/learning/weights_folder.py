"""Learns coefficients, a gate, or a strength into a stage's folder, and reads them from it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.analysis.formatting import format_estimate
from components.analysis.table import Table
from components.decoding.combiner import Combiner
from components.decoding.member_settings import MixingConfig
from components.ensembling.member_list import list_members
from components.ensembling.token_level import factory
from components.ensembling.token_level.combiners import NegativeEvidence
from components.ensembling.token_level.learning import fitting
from components.ensembling.token_level.learning.coefficients import LearnedCoefficients
from components.ensembling.token_level.learning.fitting import SentencePair
from components.ensembling.token_level.translator import number_duplicates
from components.errors import StoreError
from components.files.files import read_json, write_json
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.shapley import MAX_MEMBERS, MemberContribution
from components.storage.stages.model_labels import label_models
from components.storage.stages.whole_stage import TABLES
from components.translation.config import COEFFICIENTS_FILE, EnsembleConfig

NOTE = (
    "In nats a token of the development references. alone: the member's own log-likelihood; lost without it, "
    "and share (Shapley value): of the mixture's, every sentence under weights learned from the other "
    f"{fitting.FOLDS - 1} of {fitting.FOLDS} parts."
)


def learn_into_folder(
    ensemble: EnsembleConfig,
    pairs: Sequence[SentencePair],
    languages: tuple[str, str],
    store: str | None,
    folder: Path,
) -> int:
    """Learn what ``ensemble.mixing`` asks for and write it to ``folder``.

    Args:
        ensemble: the members and how they are mixed.
        pairs: development sentences with their references.
        languages: source and target language.
        store: where ``store:`` references are looked up.
        folder: gets :data:`COEFFICIENTS_FILE` and, for the report, :data:`TABLES`.

    Returns:
        The number of sentences that were used.
    """
    mixing = ensemble.mixing
    names = list_members(ensemble.members, mixing)
    backend, _ = factory.build_backend(ensemble, names, factory.build_combiner(mixing, len(names)), store)
    distributions = mixing.method != "linear"
    statistics = fitting.collect_reference_log_probs(backend, pairs, languages, distributions=distributions)
    if mixing.method == "negative_evidence":
        likelihoods = fitting.likelihood_by_strength(statistics)
        best_strength = max(likelihoods, key=lambda strength: likelihoods[strength])
        values = {"strength": best_strength, "likelihoods": {str(s): v for s, v in likelihoods.items()}}
        write_json(folder / COEFFICIENTS_FILE, values)
        rows = [{"strength": f"{s}", "log-likelihood": f"{v:.4f}"} for s, v in likelihoods.items()]
        table = Table("Strengths", "In nats a token of the development references.", tuple(rows))
    else:
        coefficients = fitting.fit_coefficients(statistics, mixing)
        coefficients.save(folder / COEFFICIENTS_FILE)
        rows = [
            {"member": label_models(name, store), "weight": f"{weight:.4f}"}
            for name, weight in zip(number_duplicates(names), coefficients.weights, strict=True)
        ]
        constant = mixing.method == "linear" and mixing.learn == "constants"
        measured = constant and len(names) <= MAX_MEMBERS and statistics.n_sentences > 1
        if measured:
            parts = fitting.held_out_contributions(statistics, coefficients, backend.vocabulary_size)
            rows = [row | _format_part(part) for row, part in zip(rows, parts, strict=True)]
        table = Table("Members", NOTE if measured else "", tuple(rows))
    write_json(folder / TABLES, {"tables": [table.to_json()]})
    return statistics.n_sentences


def _format_part(part: MemberContribution) -> dict[str, str]:
    lost = Estimate(value=part.leave_one_out, interval=part.leave_one_out_interval)
    share = Estimate(value=part.shapley, interval=part.shapley_interval)
    own = {"lost without it": format_estimate(lost, digits=4), "share": format_estimate(share, digits=4)}
    return {"alone": f"{part.alone:.4f}", **own}


def read_combiner(mixing: MixingConfig, folder: Path) -> Combiner:
    """Read the combiner that :func:`learn_into_folder` learned.

    Raises:
        StoreError: it was learned for another method.
    """
    values = read_json(folder / COEFFICIENTS_FILE)
    expected = "strength" if mixing.method == "negative_evidence" else "weights"
    if expected not in values:
        raise StoreError(f"{folder}: expected what {mixing.method} learns, found {', '.join(values)}")
    if mixing.method == "negative_evidence":
        return NegativeEvidence(float(values["strength"]), mixing.plausibility, mixing.filter)
    return LearnedCoefficients.load(folder / COEFFICIENTS_FILE).to_combiner()
