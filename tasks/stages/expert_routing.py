"""The ``routing`` stage: how the routers of a model with experts route a data set."""

from __future__ import annotations

from components.experts.config import ExpertsConfig
from components.experts.contribution_analysis import ExpertsRequest
from components.experts.routing_analysis import EXPERT_ROUTING
from components.experts.routing_stats import LayerRoutingStats
from components.run_record import StageRef
from components.storage.store import Store
from tasks.stages.analysis import run_analysis


def record_routing(
    config: ExpertsConfig, trained: StageRef, source: str, limit: int | None, store: Store
) -> StageRef:
    """Force a data set's references through the model and record its routing, per utterance and layer."""
    request = ExpertsRequest(
        trained=trained,
        source=source,
        source_language=config.source_language,
        targets=config.targets,
        limit=limit,
        device=config.device,
    )
    return run_analysis("routing", request, store)


def read_layers(ref: StageRef) -> dict[str, LayerRoutingStats]:
    """Return the routing statistics of a ``routing`` stage, by layer."""
    return EXPERT_ROUTING.read(ref).by_name()
