"""What the stack flow does before it can stack: makes the model, and learns the coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.errors import DataError
from components.pipeline.reader import read
from components.records import StageRef
from components.stacking.checks import KINDS
from components.stacking.config import StackConfig
from components.synthesis import build
from components.training.config import TrainingConfig
from components.translation.config import TranslationConfig
from flows.running import Run
from flows.train import node_of
from tasks import data, jackknife, recognition, stack_training, synthesis, translation
from tasks.executor import execute
from tasks.options import value_of
from tasks.stack_training import COEFFICIENTS

if TYPE_CHECKING:
    from flows.stack_parameters import StackParameters

Spoken = tuple[StageRef, StageRef]


def learned(run: Run, parameters: StackParameters) -> StackConfig:
    """The stacked system with its model and its coefficient, trained and learned where they are not given."""
    config = StackConfig.model_validate(parameters.stack.model_dump())
    if config.method == "pooled":
        config = config.model_copy(update={"model": config.model or parameters.learn.speech_model})
    if config.model is None:
        train = _pre_translation if config.method == "pre_translation" else _listener
        config = config.model_copy(update={"model": f"store:{train(run, parameters, config).key}"})
        run.notes.append(f"stacked model {config.model}")
    if config.method in COEFFICIENTS and config.coefficient is None:
        dev: tuple[StageRef, ...] = _spoken(run, parameters, parameters.learn.dev, parameters.learn.dev_limit)
        if config.method == "pooled":
            settings = (parameters.mt, dev, run.store_url, parameters.seed)
            dev = (*dev, value_of(translation.translate(*settings)))
        ref = value_of(stack_training.learn_coefficient(config, parameters.mt.model, dev, run.store_url))
        value = stack_training.read_coefficient(ref)
        config = config.model_copy(update={"coefficient": value})
        run.notes.append(f"coefficient of the direct model, learned on {parameters.learn.dev}: {value:.2f}")
    return config


def check_synthesis(run: Run, parameters: StackParameters, loaded: StageRef) -> None:
    """Refuse an engine or a voice that is not installed, where any data set that is heard has texts only.

    Raises:
        ConfigError: with the remedy, before anything is trained or heard.
    """
    config, learn = parameters.stack, parameters.learn
    dev = (learn.dev, learn.dev_limit)
    heard = []
    if config.model is None and config.method in KINDS:
        heard = [(learn.data, learn.limit), dev]
    elif config.coefficient is None and config.method in COEFFICIENTS:
        heard = [dev]
    sets = (loaded, *(_loaded(run, parameters, *one) for one in heard))
    if any(map(synthesis.is_written, sets)):
        build(parameters.synthesis)


def _loaded(run: Run, parameters: StackParameters, source: str, limit: int | None) -> StageRef:
    languages = (parameters.source_language, parameters.target_language)
    ref: StageRef = value_of(data.load(source, None, *languages, limit, run.store_url))
    return ref


def _spoken(run: Run, parameters: StackParameters, source: str, limit: int | None) -> Spoken:
    """A data set with speech, and what is heard in it."""
    loaded = _loaded(run, parameters, source, limit)
    if synthesis.is_written(loaded):
        loaded = value_of(synthesis.synthesize(parameters.synthesis, loaded, run.store_url))
    heard = value_of(recognition.recognise(parameters.asr, loaded, run.store_url, parameters.seed))
    if heard is None:
        raise DataError(f"{source}: expected something to listen to, found none")
    return loaded, heard


def _listener(run: Run, parameters: StackParameters, config: StackConfig) -> StageRef:
    """A model that listens: direct or dual source."""
    learn = parameters.learn
    hearing = stack_training.speech_of(learn)
    sets = []
    for source, limit in ((learn.data, learn.limit), (learn.dev, learn.dev_limit)):
        loaded, heard = _spoken(run, parameters, source, limit)
        states = value_of(stack_training.encode(hearing, loaded, run.store_url))
        sets.append((loaded, heard, states))
    dual = config.method == "dual_source"
    return run.add(
        stack_training.train_listener(
            learn,
            "dual" if dual else "direct",
            config.transcripts if dual else 1,
            (sets[0], sets[1]),
            run.store_url,
        )
    )


def _pre_translation(run: Run, parameters: StackParameters, config: StackConfig) -> StageRef:
    """The second system of pre-translation, on drafts of models that never saw what they draft."""
    learn, store = parameters.learn, run.store_url
    loaded = _loaded(run, parameters, learn.data, learn.limit)
    languages = (parameters.source_language or "en", parameters.target_language or "de")
    cut = value_of(jackknife.cut(learn, loaded, languages, store))
    parts = []
    for fold in range(learn.folds):
        first = _trained(jackknife.fold_training(learn, cut, fold, languages), store)
        named = jackknife.texts_of(cut, fold, "held", languages)
        held = value_of(data.load(named, None, *languages, None, store))
        parts.append((held, _drafts(run, parameters, f"store:{first.key}", (held,))))
    dev = _read(run, parameters, learn.dev, learn.dev_limit)
    translated = (dev[0], _drafts(run, parameters, parameters.mt.model, dev), *dev[1:])
    return run.add(jackknife.train_second(learn, parts, translated, store))


def _trained(config: TrainingConfig, store: str | None) -> StageRef:
    executed = execute(read({"nodes": {"training": node_of(config)}}), {}, store, config.seed)
    executed.refuse()
    return executed.stages["training"]


def _read(run: Run, parameters: StackParameters, source: str, limit: int | None) -> tuple[StageRef, ...]:
    """A data set as it is read: as it is written, or as it is heard where it is spoken."""
    loaded = _loaded(run, parameters, source, limit)
    heard = value_of(recognition.recognise(parameters.asr, loaded, run.store_url, parameters.seed))
    return (loaded,) if heard is None else (loaded, heard)


def _drafts(run: Run, parameters: StackParameters, model: str, read: tuple[StageRef, ...]) -> StageRef:
    """Greedy translations of the texts of a data set."""
    settings = {**parameters.mt.model_dump(), "model": model, "beam_size": 1, "n_best": 1, "batch_size": 64}
    config = TranslationConfig.model_validate(settings)
    ref: StageRef = value_of(translation.translate(config, read, run.store_url, parameters.seed))
    return ref
