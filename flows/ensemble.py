"""The ensemble: several recognizers and several translators as one system, scored and reported.

Translators, and Whisper recognizers of one vocabulary, are mixed token by token in one search (linear,
log-linear; translators also by negative evidence), or by their finished n-best lists (pooled: ROVER, minimum
Bayes risk, reranking). `python -m flows.ensemble` takes the options of `antiphon run ensemble`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.errors import ConfigError
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.reader import read
from components.records import RunRecord
from flows.ensemble_parameters import EnsembleParameters
from flows.parameters import flat
from flows.running import name_flow_run
from flows.system import run_system
from tasks.runners import runner

Nodes = dict[str, dict[str, Any]]
DEV = "data-dev"


def pipeline(parameters: EnsembleParameters) -> Pipeline:
    """``asr`` and, of its transcripts, ``mt``: each one node, or ``asr-1``, ``asr-2``... combined."""
    _check(parameters)
    nodes = {**_recognition(parameters), **_translation(parameters)}
    if any(values.get("of") == DEV for values in nodes.values()):
        pool = parameters.pool
        nodes = {DEV: {"kind": "data", "source": pool.dev, "limit": pool.dev_limit}, **nodes}
    return read({"nodes": nodes, **parameters.languages})


@flow(name="ensemble", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(EnsembleParameters)
def ensemble(parameters: EnsembleParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set with several models at once, score and report."""
    return run_system("ensemble", parameters, pipeline(parameters))


def _check(parameters: EnsembleParameters) -> None:
    """Refuse what is no ensemble, and reranking by coefficients that nobody learns."""
    mt, asr, pool = parameters.mt, parameters.asr, parameters.pool
    method = parameters.combine.method
    if len(mt.references) < 2 and method != "negative_evidence" and not asr.members:
        raise ConfigError(
            "mt.members: expected at least one model beside mt.model (or asr.members beside asr.model), "
            "found none; one model alone is a cascade: antiphon run cascade"
        )
    pooled = method == "pooled" or (asr.members and asr.combination == "pooled")
    if pooled and pool.method == "reranking" and not pool.coefficients and pool.dev is None:
        raise ConfigError(
            "pool.dev: expected development data to learn the coefficients of reranking on, or "
            "pool.coefficients, found neither"
        )


def _recognition(parameters: EnsembleParameters) -> Nodes:
    asr = parameters.asr
    if asr.members and asr.combination != "pooled":
        return {"asr": {"kind": "recognize", **asr.model_dump()}}
    search = {"kind": "recognize", **asr.model_dump(exclude={"members", "combination", "coefficients"})}
    if not asr.members:
        return {"asr": search}
    systems = [
        {**search, "model": name, **({"backend": "pocketsphinx"} if name.startswith("sphinx:") else {})}
        for name in (asr.model, *asr.members)
    ]
    return _pooled(parameters, "asr", systems, DATA)


def _translation(parameters: EnsembleParameters) -> Nodes:
    mt, mixing = parameters.mt, parameters.combine
    if mixing.method != "pooled":
        return {"mt": {"kind": "translate", "of": "asr", **mt.model_dump(), "combine": mixing.model_dump()}}
    search = {"kind": "translate", **mt.model_dump(exclude={"members", "dropout_members"})}
    thinned = [{**search, "dropout_members": 1, "dropout_seed": n} for n in range(mt.dropout_members)]
    systems = [*(thinned or [search]), *({**search, "model": name} for name in mt.members)]
    if len(systems) < 2:
        return {"mt": {**search, "of": "asr"}}
    return _pooled(parameters, "mt", systems, "asr")


def _pooled(
    parameters: EnsembleParameters, name: str, systems: Sequence[Mapping[str, Any]], of: str
) -> Nodes:
    """Each system as a node of its own, and one that combines their outputs."""
    pool = parameters.pool
    combine = pool.model_dump(exclude={"dev", "dev_limit"})
    numbered = {f"{name}-{number}": values for number, values in enumerate(systems, 1)}
    nodes: Nodes = {}
    if pool.method == "reranking" and not pool.coefficients:
        dev = {f"{each}-dev": {**values, "of": DEV} for each, values in numbered.items()}
        nodes = {**dev, f"{name}-coefficients": {"kind": "tune", **combine, "of": list(dev)}}
        combine = {**combine, "tuned": f"{name}-coefficients"}
    nodes |= {each: {**values, "of": of} for each, values in numbered.items()}
    return {**nodes, name: {"kind": "combine", **combine, "of": list(numbered)}}


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("ensemble")
