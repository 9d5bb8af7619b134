"""The ``coefficients`` stage: what an ensemble learns from development data before it decodes."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State

from components.decoding.combine import Combiner
from components.device import pick_device, seed_everything
from components.ensembling import building, learning
from components.ensembling.coefficients import Coefficients
from components.ensembling.combiners import NegativeEvidence
from components.ensembling.contribution import MOST, Contribution
from components.ensembling.mixing import Ensemble, MixingConfig
from components.ensembling.translator import EnsembleEngine
from components.files import read_json, write_json
from components.models.weights import weights_at
from components.profiling import measure_cost
from components.records import StageRef
from components.storage.stage_plan import StagePlan, library_versions
from components.storage.stage_writer import Writer, opened
from components.storage.store import Store
from components.training import pairs
from tasks.options import NOT_STORED, shown
from tasks.slots import device_slot
from tasks.translation import LIBRARIES

COEFFICIENTS, CONTRIBUTIONS = "coefficients.json", "contributions.json"
Languages = tuple[str, str]


def plan_of(ensemble: Ensemble, languages: Languages, store_url: str | None, seed: int) -> StagePlan:
    """What decides the coefficients: members, method, development data."""
    names = building.members_of(ensemble.members, ensemble.mixing)
    named = {f"member{n}": name.removeprefix(building.DROPOUT) for n, name in enumerate(names, 1)}
    settings = ensemble.mixing.model_dump(mode="json", include={"method", "learn", "top_k", "dev_sentences"})
    settings |= {"dtype": ensemble.dtype, "device": pick_device(ensemble.device).type}
    return StagePlan(
        stage="coefficients",
        version=f"ensemble-learning/{building.VERSION}",
        parameters={**settings, "languages": list(languages), "members": names},
        inputs={"dev": pairs.read(ensemble.mixing.dev, languages)[1]},
        weights=weights_at(named, store_url),
        seed=seed,
        libraries=library_versions(LIBRARIES),
        models=named,
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
    mixing, path = ensemble.mixing, writer.path / COEFFICIENTS
    with device_slot(ensemble.device), measure_cost() as cost:
        seed_everything(seed)
        engine = _engine(ensemble, store_url)
        text = pairs.read(mixing.dev, languages)[0][: mixing.dev_sentences]
        distributions = mixing.method != "linear"
        statistics = learning.statistics_of(engine, text, languages, distributions=distributions)
        parts: list[Contribution] = []
        if mixing.method == "negative_evidence":
            found = learning.likelihoods(statistics)
            best = max(found, key=lambda strength: found[strength])
            write_json(path, {"strength": best, "likelihoods": {str(s): v for s, v in found.items()}})
        else:
            learned = learning.coefficients(statistics, mixing)
            learned.save(path)
            if mixing.method == "linear" and len(ensemble.members) <= MOST:
                parts = learning.contribution(statistics, learned, engine.vocabulary_size)
        write_json(writer.path / CONTRIBUTIONS, {"members": [part.model_dump() for part in parts]})
    writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
    return writer.seal([COEFFICIENTS, CONTRIBUTIONS], items=statistics.n_sentences)


def _engine(ensemble: Ensemble, store_url: str | None) -> EnsembleEngine:
    names = building.members_of(ensemble.members, ensemble.mixing)
    combine = building.combiner_of(ensemble.mixing, len(names))
    return building.engine_of(ensemble, names, combine, store_url)[0]


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
