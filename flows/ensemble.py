"""The ensemble: several recognisers and several translators as one system, scored and reported.

Translators, and Whisper recognisers of one vocabulary, are mixed token by token in one search (linear,
log-linear; translators also by negative evidence), or by their finished n-best lists (pooled: ROVER, minimum
Bayes risk, reranking). `python -m flows.ensemble` takes the options of `antiphon run ensemble`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from prefect import flow
from prefect.client.schemas.objects import State

from components import data as sets
from components.ensembling import checks
from components.ensembling.building import DROPOUT
from components.ensembling.config import PoolingConfig
from components.ensembling.mixing import Ensemble, MixingConfig
from components.ensembling.recognisers import RecogniserEnsemble
from components.errors import ConfigError
from components.recognition.config import RecognitionConfig
from components.records import RunRecord, StageRef
from components.storage.reader import languages_of
from components.translation.config import TranslationConfig
from components.translation.domain_notes import domain_notes
from flows import preflight
from flows.ensemble_parameters import EnsembleParameters, EnsembleRecognition, EnsembleTranslation
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from tasks import data, ensembling, learning, metrics, pooling, recognition, report, translation, tuning
from tasks.options import value_of
from tasks.runners import runner

Read = tuple[StageRef, ...]
"""The stages that a member reads: data, or data and asr."""


class _Pool(NamedTuple):
    """Members by name, and what makes the outputs of one."""

    names: tuple[str, ...]
    alone: Callable[[str, Read], StageRef]


@flow(name="ensemble", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(EnsembleParameters)
def ensemble(parameters: EnsembleParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set with several models at once, score and report."""
    wanted = needs(parameters)
    preflight.refuse(wanted)
    run = Run("ensemble", parameters)
    with run:
        loaded = preflight.load(run, parameters, wanted)
        mixed = _mixture(parameters)
        if mixed is not None and recognition.spoken_in(loaded):
            ensembling.admit(mixed, run.store_url)  # recognition is long: first what may be refused
        heard = _hear(parameters, loaded, run)
        read = (loaded,) if heard is None else (loaded, heard)
        translate(parameters, read, run)
        scored = run.add(metrics.score(run.stages, parameters.target_language, run.store_url, run.name))
        run.metrics = metrics.read_scores(scored)
        report.report(run.record, run.store_url)
    return ending(run.record)


def translate(parameters: EnsembleParameters, read: tuple[StageRef, ...], run: Run) -> None:
    """The translations of all members as one, the stage ``mt``: mixed token by token, or pooled."""
    mixed = _mixture(parameters)
    if mixed is not None:
        _mix(mixed, parameters.seed, read, run)
    elif parameters.combine.method == "pooled":
        alone = partial(_translated, parameters, run)
        _pool(parameters, "mt", _Pool(_translators(parameters), alone), read, run)
    else:
        run.add(_translated(parameters, run, _translators(parameters)[0], read))


def needs(parameters: EnsembleParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url = parameters.store
    found = [preflight.readable(parameters), Need("ensemble", lambda: _check(parameters))]
    asr, pool, mixed = parameters.asr, parameters.pool, _mixture(parameters)
    if asr.members and asr.combination != "pooled":
        ears = _ears(parameters)
        found.append(
            Need(
                "asr",
                lambda: checks.check_recognisers(ears, url),
                lambda _: checks.admit_recognisers(ears, url),
                concerns=preflight.is_spoken,
            )
        )
    else:
        found += [preflight.recognized(_listener(asr, name), url) for name in (asr.model, *asr.members)]
    if mixed is None:
        names = dict.fromkeys(_translators(parameters))
        found += [preflight.translated(_alone(parameters.mt, name), url) for name in names]
    else:
        first = _alone(parameters.mt, parameters.mt.model)
        admit = preflight.translated(first, url).admit
        found.append(Need("mt", lambda: checks.check_mixture(mixed, url), admit))
        if mixed.mixing.learn != "nothing":
            found.append(Need("combine.dev", lambda: sets.check(mixed.mixing.dev)))
    config = _pooling(parameters)
    if asr.members and asr.combination == "pooled":
        found.append(Need("pool", lambda: checks.check_pooling(config, 1 + len(asr.members), url)))
    if parameters.combine.method == "pooled":
        found.append(Need("pool", lambda: checks.check_pooling(config, len(_translators(parameters)), url)))
    if pool.dev is not None:
        found.append(Need("pool.dev", lambda: sets.check(str(pool.dev))))
    return found


def _check(parameters: EnsembleParameters) -> None:
    """Refuse what cannot work before anything is computed."""
    mt, asr, pool = parameters.combine.method, parameters.asr, parameters.pool
    if len(_translators(parameters)) < 2 and mt != "negative_evidence" and not asr.members:
        raise ConfigError(
            "mt.members: expected at least one model beside mt.model (or asr.members beside asr.model), "
            "found none; one model alone is a cascade: antiphon run cascade"
        )
    pooled = mt == "pooled" or (asr.members and asr.combination == "pooled")
    if pooled and pool.method == "reranking" and not pool.coefficients and pool.dev is None:
        raise ConfigError(
            "pool.dev: expected development data to learn the coefficients of reranking on, or "
            "pool.coefficients, found neither"
        )


def _translators(parameters: EnsembleParameters) -> tuple[str, ...]:
    mt = parameters.mt
    if mt.dropout_members:
        return (DROPOUT + mt.model,) * mt.dropout_members + mt.members
    return (mt.model, *mt.members)


def _hear(parameters: EnsembleParameters, loaded: StageRef, run: Run) -> StageRef | None:
    """The transcripts: of one recogniser, mixed, or pooled from several; None if nothing is spoken."""
    asr = parameters.asr
    config = _listener(asr, asr.model)
    if asr.members and asr.combination != "pooled":
        config = _ears(parameters)
    elif asr.members and recognition.spoken_in(loaded):
        pool = _Pool((asr.model, *asr.members), partial(_heard, asr, parameters.seed, run))
        return _pool(parameters, "asr", pool, (loaded,), run)
    ref = value_of(recognition.recognise(config, loaded, run.store_url, parameters.seed))
    return None if ref is None else run.add(ref)


def _listener(asr: EnsembleRecognition, name: str) -> RecognitionConfig:
    """One recogniser alone."""
    settings = asr.model_dump(exclude={"members", "combination", "coefficients"})
    backend = {"backend": "pocketsphinx"} if asr.members and name.startswith("sphinx:") else {}
    return RecognitionConfig.model_validate(settings | {"model": name} | backend)


def _ears(parameters: EnsembleParameters) -> RecogniserEnsemble:
    """All recognisers, mixed token by token."""
    asr = parameters.asr
    return RecogniserEnsemble.model_validate(asr.model_dump() | {"members": (asr.model, *asr.members)})


def _heard(asr: EnsembleRecognition, seed: int, run: Run, name: str, read: Read) -> StageRef:
    """What one recogniser alone makes of the data."""
    config = _listener(asr, name)
    ref: StageRef | None = value_of(recognition.recognise(config, read[0], run.store_url, seed))
    if ref is None:
        raise ConfigError("pool.dev: expected recordings to learn the coefficients on, found none in it")
    return ref


def _translated(parameters: EnsembleParameters, run: Run, name: str, read: Read) -> StageRef:
    """One translator alone."""
    config = _alone(parameters.mt, name)
    ref: StageRef = value_of(translation.translate(config, read, run.store_url, parameters.seed))
    run.notes += domain_notes(ref, name, read[0], run.store_url)
    return ref


def _alone(mt: EnsembleTranslation, model: str) -> TranslationConfig:
    values = mt.model_dump(exclude={"members", "dropout_members"})
    return TranslationConfig.model_validate(values | {"model": model})


def _mixture(parameters: EnsembleParameters) -> Ensemble | None:
    """The translators that are mixed token by token, if there are several."""
    mt, members = parameters.mt, _translators(parameters)
    method = parameters.combine.method
    if method == "pooled" or (len(members) == 1 and method != "negative_evidence"):
        return None
    search = mt.model_dump(exclude={"members", "dropout_members"})
    mixing = MixingConfig.model_validate(parameters.combine.model_dump())
    return Ensemble.model_validate({**search, "members": members, "mixing": mixing})


def _mix(mixed: Ensemble, seed: int, read: Read, run: Run) -> None:
    learned = None
    if mixed.mixing.learn != "nothing":
        learned = run.add(learning.learn(mixed, languages_of(read[0]), run.store_url, seed))
    ref = run.add(ensembling.mix(mixed, learned, read, run.store_url, seed))
    run.notes += ensembling.dropped(ref)
    run.notes += domain_notes(ref, mixed.members[0].removeprefix(DROPOUT), read[0], run.store_url)


def _pool(parameters: EnsembleParameters, stage: str, pool: _Pool, read: Read, run: Run) -> StageRef:
    """Pool what the members make of ``read`` into ``stage``; each one's own stays in the run."""
    config = _pooling(parameters)
    if config.method == "reranking" and not config.coefficients:
        config = _tuned(config, parameters, stage, pool, run)
    refs = _kept(stage, pool, read, "", run)
    return run.add(pooling.pool(config, refs, read[0], run.store_url, pool.names, stage))


def _pooling(parameters: EnsembleParameters) -> PoolingConfig:
    return PoolingConfig.model_validate(parameters.pool.model_dump(exclude={"dev", "dev_limit"}))


def _kept(stage: str, pool: _Pool, read: Read, ending: str, run: Run) -> Sequence[StageRef]:
    """The outputs of the members as ``stage-1``, ``stage-2``..."""
    made = [pool.alone(name, read) for name in pool.names]
    names = [f"{stage}-{n}{ending}" for n in range(1, len(made) + 1)]
    return [run.add(ref.model_copy(update={"stage": n})) for ref, n in zip(made, names, strict=True)]


def _tuned(
    config: PoolingConfig, parameters: EnsembleParameters, stage: str, pool: _Pool, run: Run
) -> PoolingConfig:
    """The coefficients of reranking, learned on the members' outputs over the development data."""
    languages = (parameters.source_language, parameters.target_language)
    pool_data = (parameters.pool.dev, None, *languages, parameters.pool.dev_limit)
    found: StageRef = value_of(data.load(*pool_data, run.store_url))
    dev = run.add(found.model_copy(update={"stage": "data-dev"}))
    refs = _kept(stage, pool, (dev,), "-dev", run)
    learned = tuning.tune(config, refs, dev, run.store_url, pool.names, parameters.seed)
    run.add(learned.model_copy(update={"stage": f"{stage}-coefficients"}))
    return tuning.tuned(config, learned)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("ensemble")
