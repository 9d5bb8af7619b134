"""Learned coefficients (or a gate, or a strength) as files: learned into a folder, and read from it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.decoding.combine import Combiner
from components.ensembling import building, learning
from components.ensembling.coefficients import Coefficients
from components.ensembling.combiners import NegativeEvidence
from components.ensembling.config import COEFFICIENTS
from components.ensembling.contribution import MOST, Contribution
from components.ensembling.learning import Pair
from components.ensembling.mixing import Ensemble, MixingConfig, members_of
from components.errors import StoreError
from components.files import read_json, write_json

CONTRIBUTIONS = "contributions.json"


def learn(
    ensemble: Ensemble, pairs: Sequence[Pair], languages: tuple[str, str], store: str | None, folder: Path
) -> int:
    """Learn what ``ensemble.mixing`` asks for into ``folder``; gives the number of sentences used."""
    mixing = ensemble.mixing
    names = members_of(ensemble.members, mixing)
    engine, _ = building.engine_of(ensemble, names, building.combiner_of(mixing, len(names)), store)
    distributions = mixing.method != "linear"
    statistics = learning.statistics_of(engine, pairs, languages, distributions=distributions)
    parts: list[Contribution] = []
    if mixing.method == "negative_evidence":
        likelihoods = learning.likelihoods(statistics)
        best = max(likelihoods, key=lambda strength: likelihoods[strength])
        values = {"strength": best, "likelihoods": {str(s): v for s, v in likelihoods.items()}}
        write_json(folder / COEFFICIENTS, values)
    else:
        coefficients = learning.coefficients(statistics, mixing)
        coefficients.save(folder / COEFFICIENTS)
        if mixing.method == "linear" and len(names) <= MOST:
            parts = learning.contribution(statistics, coefficients, engine.vocabulary_size)
    write_json(folder / CONTRIBUTIONS, {"members": [part.model_dump() for part in parts]})
    return statistics.n_sentences


def combiner(mixing: MixingConfig, folder: Path) -> Combiner:
    """The combination that was learned into ``folder``. StoreError where it was learned for another."""
    values = read_json(folder / COEFFICIENTS)
    expected = "strength" if mixing.method == "negative_evidence" else "weights"
    if expected not in values:
        raise StoreError(f"{folder}: expected what {mixing.method} learns, found {', '.join(values)}")
    if mixing.method == "negative_evidence":
        return NegativeEvidence(float(values["strength"]), mixing.plausibility, mixing.filter)
    return Coefficients.load(folder / COEFFICIENTS).combiner()
