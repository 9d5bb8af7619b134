"""Outputs and cost of finished runs, so that they can be compared as systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from components import models
from components.analysis.cost import Cost, Latency
from components.compute.profiling import largest_card_memory
from components.errors import AntiphonError, DataError, StoreError, to_one_line
from components.extensions import Extensions, accept_any
from components.files.files import read_json
from components.models.adapted_references import replace_parts
from components.models.checkpoints import count_stored_parameters as count_parameters
from components.models.references import is_elsewhere
from components.nodes.kind import KINDS
from components.pipeline.pipeline import DATA, NODE, TARGET
from components.records import Utterance
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.shards.tallies import AUDIO_SECONDS, CHARACTERS, TOTALS, WRITTEN
from components.storage.stages.reader import read_plan, read_tallies
from components.storage.store import Store
from components.text.languages import UNDETERMINED

Role = Literal["transcript", "translation"]
PRICES: Extensions[Any] = Extensions("antiphon.prices", "table of prices", accept_any)
"""Of what was asked of served models."""
LATENCY = "latency.json"
"""File in the folder of a run: its latency, of the system and of each node."""


def text_stages(run: RunRecord) -> list[StageRef]:
    """Return stages of a run whose outcomes are n-best lists of its utterances, in the order of its nodes."""
    stages = {ref.stage: ref for ref in run.stages}
    texts = [node.name for node in run.pipeline.of_data() if node.output == "text"]
    return [stages[name] for name in texts if name in stages]


def output_of(run: RunRecord, role: Role) -> StageRef | None:
    """Return the stage that is a run's transcript or translation; None if it has none."""
    name = run.pipeline.outputs.get(role)
    return next((ref for ref in run.stages if ref.stage == name), None)


def target_language_of(run: RunRecord, utterance: Utterance) -> str | None:
    """Return the utterance's own target language, else the run's."""
    stated = run.parameters.get("target_language")
    return utterance.target_language or (stated if isinstance(stated, str) else None)


def language_of(run: RunRecord, node: NodeRecord, utterance: Utterance) -> str:
    """Return the language of a node's text of an utterance."""
    if node.language == TARGET:
        return target_language_of(run, utterance) or UNDETERMINED
    return utterance.source_language if node.transcribes else node.language or UNDETERMINED


def _stages_in_use(run: RunRecord) -> list[StageRef]:
    """Stages that run whenever the system is used: no training, no tuning, no scoring, no side node."""
    names = {node.name for node in run.pipeline.needed_for_outputs()}
    return [ref for ref in run.stages if ref.stage in names]


def cost_of(run: RunRecord, store: Store, price_per_hour: float | None = None) -> Cost:
    """Return seconds of computing (of a reused stage those of its first time), memory, parameters, prices.

    Args:
        run: finished.
        store: where.
        price_per_hour: of the machine, if the run states none.
    """
    used = _stages_in_use(run)
    texts = [ref for ref in text_stages(run) if ref in used]
    kinds = (KINDS.get(node.kind) for node in run.pipeline.nodes)
    is_known = all(kind is None or kind.stated.get("costs", True) for kind in kinds)
    seconds = sum(ref.seconds for ref in used)
    data = data_of(run)
    totals = read_tallies(data).get(TOTALS, {})
    written = totals.get(WRITTEN, 0)
    audio = 0.0 if written else totals.get(AUDIO_SECONDS, 0.0)  # else texts would count as time of the audio
    all_written = written == data.items - data.quarantined
    stated = run.parameters.get("price_per_hour")
    return Cost(
        seconds=seconds,
        is_known=is_known,
        real_time_factor=seconds / audio if audio and is_known else None,
        peak_memory_bytes=max((ref.peak_memory_bytes for ref in used), default=0),
        card_memory=largest_card_memory(ref.card_memory for ref in used),
        parameters=parameters_of(run, store),
        calls=sum(ref.items for ref in texts),
        characters=int(totals.get(CHARACTERS, 0)) if all_written else None,
        price_per_hour=stated if isinstance(stated, int | float) else price_per_hour,
        latency=read_latency(run, store),
        served_price=PRICES.only()(used) if any(ref.usage for ref in used) else None,
    )


def read_latency(run: RunRecord, store: Store) -> Latency | None:
    """Return the latency of a run's system that ``antiphon measure`` measured; None where it did not.

    Raises:
        StoreError: its file is damaged.
    """
    path = store.run_folder(run.name) / LATENCY
    try:
        return Latency.model_validate(read_json(path).get("system")) if path.exists() else None
    except ValidationError as error:
        raise StoreError(
            f"{path}: expected a latency, found: {to_one_line(error)}; measure it again"
        ) from error


def data_of(run: RunRecord) -> StageRef:
    """Return the data set of a run.

    Raises:
        DataError: the run has none.
    """
    for ref in run.stages:
        if ref.stage == DATA:
            return ref
    raise DataError(f"run {run.name}: expected a data stage, found none; it cannot be compared")


def parameters_of(run: RunRecord, store: Store) -> int | None:
    """Return parameters of all models of a run together, each once; None if it names none or one is gone."""
    plans = [read_plan(ref) for ref in _stages_in_use(run)]
    used = {
        plan["weights"][role]: name
        for plan in plans
        for role, name in plan.get("models", {}).items()
        if role in plan["weights"]
    }
    stored = {f"{NODE}{ref.stage}": f"store:{ref.key}" for ref in run.stages}
    named = (name for node in run.pipeline.needed_for_outputs() for name in node.models.values())
    used |= {name: replace_parts(name, stored) for name in named if NODE in name}
    if any(map(is_elsewhere, used.values())):
        return None  # its server does not say
    try:
        paths = {models.resolve(name, store.backend.url).path for name in used.values()}
        return sum(count_parameters(Path(path)) for path in paths) if paths else None
    except (AntiphonError, OSError):
        return None
