"""The ensemble: several recognisers and several translators as one system, scored and reported.

Translators are mixed token by token in one search (linear, log-linear, negative evidence) or by their
finished n-best lists (pooled); recognisers always by their finished transcripts (ROVER, minimum Bayes risk).
`python -m flows.ensemble` takes the options of `antiphon run ensemble`.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import ConfigDict, Field

from components.ensembling.building import DROPOUT
from components.ensembling.config import PoolingConfig
from components.ensembling.mixing import Ensemble, MixingConfig
from components.errors import ConfigError
from components.recognition.config import RecognitionConfig
from components.records import RunRecord, StageRef
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters, flat
from flows.running import Run, ending
from tasks import data, ensembling, learning, metrics, pooling, recognition, report, translation
from tasks.options import value_of
from tasks.reading import languages_of
from tasks.runners import runner


class EnsembleRecognition(RecognitionConfig):
    """Settings of the recognisers; they differ in their models."""

    model_config = ConfigDict(title="Recognition (asr)")

    members: tuple[str, ...] = Field(
        (), title="Further members", description="models beside the first, such as packaged:whisper-tiny.en"
    )


class EnsembleTranslation(TranslationConfig):
    """Settings of the search that all translators share."""

    model_config = ConfigDict(title="Translation (mt)")

    members: tuple[str, ...] = Field(
        (),
        title="Further members",
        description="models beside the first: store:KEY, store:KEY@STEP, hub:, packaged:, or a path",
    )
    dropout_members: int = Field(
        0,
        ge=0,
        le=16,
        title="Dropout members",
        description="Monte-Carlo dropout: the first model so many times with dropout on, in place of it",
    )


class EnsembleMixing(MixingConfig):
    """How the translators' distributions become one."""

    model_config = ConfigDict(title="Combination (combine)")


class EnsemblePooling(PoolingConfig):
    """How finished outputs become one."""

    model_config = ConfigDict(title="Pooling (pool)")


class EnsembleParameters(DataParameters):
    """What can be set on an ensemble."""

    asr: EnsembleRecognition = Field(
        default=EnsembleRecognition(), title="Recognition", description="speech to text"
    )
    mt: EnsembleTranslation = Field(
        default=EnsembleTranslation(), title="Translation", description="text to text"
    )
    combine: EnsembleMixing = Field(
        default=EnsembleMixing(), title="Combination", description="of the translators, token by token"
    )
    pool: EnsemblePooling = Field(
        default=EnsemblePooling(), title="Pooling", description="of finished transcripts or translations"
    )


@flow(name="ensemble", task_runner=runner(), persist_result=False, validate_parameters=True)
@flat(EnsembleParameters)
def ensemble(parameters: EnsembleParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set with several models at once, score and report."""
    run = Run("ensemble", parameters)
    with run:
        _check(parameters)
        languages = (parameters.source_language, parameters.target_language)
        loaded = run.add(data.load(parameters.data, None, *languages, parameters.limit, run.store_url))
        heard = _hear(parameters, loaded, run)
        read = (loaded,) if heard is None else (loaded, heard)
        if parameters.combine.method == "pooled":
            _pool_translations(parameters, read, run)
        else:
            _mix(parameters, read, run)
        scored = run.add(metrics.score(run.stages, parameters.target_language, run.store_url, run.name))
        run.metrics = metrics.read_scores(scored)
        run.save()
        report.report(run.record, run.store_url)
    return ending(run.record)


def _check(parameters: EnsembleParameters) -> None:
    """Refuse what cannot work before anything is computed."""
    many = len(_translators(parameters)) > 1 or parameters.combine.method == "negative_evidence"
    if not many and not parameters.asr.members:
        raise ConfigError(
            "mt.members: expected at least one model beside mt.model (or asr.members beside asr.model), "
            "found none; one model alone is a cascade: antiphon run cascade"
        )


def _translators(parameters: EnsembleParameters) -> tuple[str, ...]:
    mt = parameters.mt
    if mt.dropout_members:
        return (DROPOUT + mt.model,) * mt.dropout_members + mt.members
    return (mt.model, *mt.members)


def _hear(parameters: EnsembleParameters, loaded: StageRef, run: Run) -> StageRef | None:
    """The transcripts: of one recogniser, or pooled from those of several; None if nothing is spoken."""
    asr = parameters.asr
    configs = [
        RecognitionConfig.model_validate(
            asr.model_dump(exclude={"members"})
            | {"model": model}
            | ({"backend": "pocketsphinx"} if model.startswith("sphinx:") else {})
        )
        for model in (asr.model, *asr.members)
    ]
    heard = []
    for config in configs:
        ref = value_of(recognition.recognise(config, loaded, run.store_url, parameters.seed))
        if ref is None:
            return None
        heard.append(ref)
    if len(heard) == 1:
        return run.add(heard[0])
    return _pool(parameters, "asr", heard, [config.model for config in configs], run)


def _mix(parameters: EnsembleParameters, read: tuple[StageRef, ...], run: Run) -> None:
    mt, members = parameters.mt, _translators(parameters)
    if len(members) == 1 and parameters.combine.method != "negative_evidence":
        run.add(translation.translate(_alone(mt, members[0]), read, run.store_url, parameters.seed))
        return
    search = mt.model_dump(exclude={"members", "dropout_members"})
    mixing = MixingConfig.model_validate(parameters.combine.model_dump())
    mixed = Ensemble.model_validate({**search, "members": members, "mixing": mixing})
    learned = None
    if mixing.learn != "nothing":
        languages = languages_of(read[0])
        learned = run.add(learning.learn(mixed, languages, run.store_url, parameters.seed))
    run.add(ensembling.mix(mixed, learned, read, run.store_url, parameters.seed))


def _pool_translations(parameters: EnsembleParameters, read: tuple[StageRef, ...], run: Run) -> None:
    members = _translators(parameters)
    refs = [
        value_of(translation.translate(_alone(parameters.mt, model), read, run.store_url, parameters.seed))
        for model in members
    ]
    _pool(parameters, "mt", refs, members, run)


def _alone(mt: EnsembleTranslation, model: str) -> TranslationConfig:
    """The configuration of one member by itself."""
    values = mt.model_dump(exclude={"members", "dropout_members"})
    return TranslationConfig.model_validate(values | {"model": model})


def _pool(
    parameters: EnsembleParameters, stage: str, refs: Sequence[StageRef], names: Sequence[str], run: Run
) -> StageRef:
    """Pool finished stages into ``stage``; each member's own stays in the run as ``stage-N``."""
    loaded = run.stages["data"]
    members = [ref.model_copy(update={"stage": f"{stage}-{n}"}) for n, ref in enumerate(refs, 1)]
    for member in members:
        run.add(member)
    config = PoolingConfig.model_validate(parameters.pool.model_dump())
    return run.add(pooling.pool(config, members, loaded, run.store_url, names, stage))


if __name__ == "__main__":
    from flows.cli import run_flow_module

    run_flow_module("ensemble")
