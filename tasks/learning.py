"""The ``coefficients`` stage: what an ensemble learns from development data before it decodes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components import models
from components.decoding import Combiner
from components.device import seed_everything
from components.ensembling import building, learning
from components.ensembling.coefficients import Coefficients
from components.ensembling.combiners import NegativeEvidence
from components.ensembling.mixing import Ensemble, MixingConfig
from components.ensembling.statistics import Statistics
from components.records import StageRef
from components.training import pairs
from tasks.cost import measured
from tasks.files import read_json, write_json
from tasks.keys import StagePlan, library_versions, weights_of
from tasks.options import NOT_STORED, shown
from tasks.stage import Writer, opened
from tasks.store import Store
from tasks.translation import LIBRARIES

COEFFICIENTS = "coefficients.json"
Languages = tuple[str, str]


def plan_of(ensemble: Ensemble, languages: Languages, store_url: str | None, seed: int) -> StagePlan:
    """What decides the coefficients: members, method, development data."""
    names = building.members_of(ensemble.members, ensemble.mixing)
    resolved = {
        f"member{n}": models.resolve(name.removeprefix(building.DROPOUT), store_url)
        for n, name in enumerate(names, 1)
    }
    settings = ensemble.mixing.model_dump(mode="json", include={"method", "learn", "top_k", "dev_sentences"})
    return StagePlan(
        stage="coefficients",
        version=f"ensemble-learning/{building.VERSION}",
        parameters={**settings, "languages": list(languages), "dtype": ensemble.dtype, "members": names},
        inputs={"dev": pairs.read(ensemble.mixing.dev, languages)[1]},
        weights=weights_of(**resolved),
        seed=seed,
        libraries=library_versions(LIBRARIES),
    )


@task(name="coefficients", **NOT_STORED)
def learn(
    ensemble: Ensemble, languages: Languages, store_url: str | None, seed: int
) -> StageRef | State[StageRef]:
    """Learn from the development set what ``ensemble.mixing`` asks for, or find it learned before."""
    with opened(Store(store_url), plan_of(ensemble, languages, store_url, seed), records=False) as writer:
        ref = writer.ref or _write(ensemble, languages, store_url, seed, writer)
    for name, value in _told(ref).items():
        get_run_logger().info("coefficients: %s %.4f", name, value)
    return shown(ref)


def _write(
    ensemble: Ensemble, languages: Languages, store_url: str | None, seed: int, writer: Writer
) -> StageRef:
    with measured() as cost:
        seed_everything(seed)
        statistics = _statistics(ensemble, languages, store_url)
        path = writer.path / COEFFICIENTS
        if ensemble.mixing.method == "negative_evidence":
            found = learning.likelihoods(statistics)
            best = max(found, key=lambda strength: found[strength])
            write_json(path, {"strength": best, "likelihoods": {str(s): v for s, v in found.items()}})
        else:
            learning.coefficients(statistics, ensemble.mixing).save(path)
    writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
    return writer.seal([COEFFICIENTS], items=statistics.n_sentences)


def _statistics(ensemble: Ensemble, languages: Languages, store_url: str | None) -> Statistics:
    mixing = ensemble.mixing
    names = building.members_of(ensemble.members, mixing)
    engine, _ = building.engine_of(ensemble, names, building.combiner_of(mixing, len(names)), store_url)
    text, _ = pairs.read(mixing.dev, languages)
    return learning.statistics_of(
        engine,
        list(islice(text, mixing.dev_sentences)),
        languages,
        distributions=mixing.method != "linear",
    )


def combiner(mixing: MixingConfig, n_members: int, learned: StageRef | None) -> Combiner:
    """The combination of an ensemble: as learned, else as configured."""
    if learned is None:
        return building.combiner_of(mixing, n_members)
    path = Path(learned.path) / COEFFICIENTS
    if mixing.method == "negative_evidence":
        return NegativeEvidence(float(read_json(path)["strength"]), mixing.plausibility, mixing.filter)
    return Coefficients.load(path).combiner()


def _told(ref: StageRef) -> dict[str, float]:
    """What was learned, as numbers."""
    found = read_json(Path(ref.path) / COEFFICIENTS)
    if "strength" in found:
        return {"strength": found["strength"]}
    weights = zip(found["members"], found["weights"], strict=True)
    return {**dict(weights), "likelihood": found["learned"], "with equal weights": found["uniform"]}
