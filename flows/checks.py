"""Checks of a run, each one line where it fails: made of a graph, its data and metrics, and run together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from components import data as sets
from components.errors import AntiphonError, ConfigError, TransientError
from components.files.fault_reports import explain_faults
from components.models.fetch_permission import NotHereError
from components.nodes.facts import Mode
from components.nodes.node_context import NodeContext
from components.pipeline.graph_steps import GRAPH_STEPS
from components.pipeline.items.idle_nodes import is_concerned
from components.pipeline.pipeline import DATA, SOURCE, TARGET, Node, Pipeline
from components.pipeline.stage_planning import complete_node
from components.pipeline.steps.auto import is_auto
from components.run_record import StageRef
from components.storage.shards.tallies import UtteranceProfile
from components.storage.stages.id_index import find_missing
from components.storage.stages.reader import profiles_of
from components.text.languages import is_same_language
from components.translation.checks import LanguagePair
from flows.parameters.base import DataSet

Pairs = frozenset[LanguagePair]


@dataclass(frozen=True)
class Check:
    """The checks of one stage; each call raises AntiphonError in one line.

    ``data`` is the data set that it reads; where ``concerns`` none of its utterances, nothing is asked for.
    ``utterance_ids`` gives the ids of utterances that the data must have. ``reads`` has the types that a node
    reads of the data set; nothing for a node that reads other nodes, or further ones. Nobody reads what an
    ``is_last`` one gives.
    """

    stage: str
    run: Callable[[], object]
    admit: Callable[[Pairs], object] = lambda pairs: None
    concerns: Callable[[UtteranceProfile], bool] = lambda profile: True
    data: str = DATA
    utterance_ids: Callable[[], Collection[str]] = tuple
    reads: tuple[str, ...] = ()
    is_last: bool = False


def checks_of_pipeline(pipeline: Pipeline, store: str | None, seed: int) -> list[Check]:
    """Return the checks of a pipeline's nodes; a model that another node makes is not checked."""
    nodes = [_check_of_node(pipeline, node, pipeline.context_of(node, store, seed)) for node in pipeline]
    return [*nodes, Check("target_language", lambda: None, partial(_refuse_other_target, pipeline))]


def _require_reviewer(pipeline: Pipeline, node: Node) -> None:
    from tasks.execution.reviewers import REVIEWERS  # only where a node asks

    REVIEWERS.only().require_reviewer(pipeline, node)


def checks_of_reviews(pipeline: Pipeline) -> list[Check]:
    """Return the checks that somebody can answer where a node asks a person."""
    return [
        Check(pipeline.user_name_of(node.name), partial(_require_reviewer, pipeline, node))
        for node in pipeline
        if node.kind.mode is Mode.BY_HAND
    ]


def _refuse_other_target(pipeline: Pipeline, pairs: Pairs) -> None:
    """Refuse a translation into a language that the data set, or the run, does not ask for."""
    name = pipeline.outputs.get("translation")
    output_language = TARGET if name is None else pipeline.language_of(name)
    targets = sorted({target for _, target in pairs if target is not None})
    is_asked_for = any(is_same_language(output_language, target) for target in targets)
    if output_language != TARGET and targets and not is_asked_for:
        into = "in the language spoken" if output_language == SOURCE else f"into {output_language}"
        raise ConfigError(
            f"expected {', '.join(targets)}, which nothing gives: the translation is {name}, {into}; "
            "say outputs: {translation: NODE}, or another target_language"
        )


def _check_of_node(pipeline: Pipeline, node: Node, context: NodeContext) -> Check:
    def check() -> None:
        settings = (
            node.settings if is_auto(node.values) else complete_node(pipeline, node, context.store).settings
        )
        node.kind.check(settings, context)
        own = pipeline.nodes.get(pipeline.data_of(node.name))
        if node.facts.keeps_spoken and own is not None and sets.begins_written(str(own.values["source"])):
            node.kind.validate_models(settings, context, frozenset())  # what speaks it is asked for at once

    def admit(pairs: Pairs) -> None:
        if not node.model_nodes:  # else its model is not there yet
            settings = complete_node(pipeline, node, context.store).settings
            node.kind.validate_models(settings, context, pipeline.pairs_of(node, pairs))

    reads_data = bool(node.of) and all(map(pipeline.is_data, node.of))
    return Check(
        pipeline.user_name_of(node.name),
        check,
        admit,
        concerns=partial(is_concerned, pipeline, node),
        data=pipeline.data_of(node.name),
        utterance_ids=node.facts.utterance_ids,
        reads=node.kind.reads if reads_data else (),
        is_last=not any(node.name in other.of for other in pipeline),
    )


def check_of_data(data_set: DataSet) -> Check:
    """Return the check of the data set: exactly one source, and that it exists."""
    source, audio, *languages, _ = data_set

    def check() -> None:
        if (source is None) == (audio is None):
            raise ConfigError("expected a data set or recordings, one of the two; set data or audio")
        if audio is not None:
            sets.check_audio(audio)
        else:
            sets.check(str(source), *languages)

    return Check("data", check)


def check_of_test_data(source: str | None, source_language: str | None, target_language: str | None) -> Check:
    """Return the check of test data, if there are any: that they exist."""
    return Check(
        "test", lambda: None if source is None else sets.check(source, source_language, target_language)
    )


def checks_of_metrics(metrics: Iterable[str], store: str | None, setting: str) -> list[Check]:
    """Return the checks of metrics that models compute: the models, and that they are of these metrics.

    Args:
        metrics: ``NAME:MODEL`` each.
        store: URL of the store.
        setting: that names them.
    """
    return [
        Check(setting, partial(_check_metric, metric, store), partial(_admit_metric, metric, store))
        for metric in metrics
    ]


def _check_metric(metric: str, store: str | None) -> None:
    from components import models
    from components.metrics.metric_names import split_metric

    models.check(str(split_metric(metric)[1]), store)


def _admit_metric(metric: str, store: str | None, pairs: Pairs) -> None:
    from components.metrics.table import bind_metric

    bind_metric(metric, store)


def run_checks(checks: Iterable[Check]) -> None:
    """Run the checks that read and fetch nothing.

    Raises:
        ConfigError: every fault of every stage, a line each.
    """
    _collect_faults((check.stage, check.run) for check in checks)


def check_against_data(checks: Sequence[Check], loaded: StageRef, name: str = DATA) -> None:
    """Run the checks that need a data set's languages, for the stages that read it.

    Fetches the models that will be needed.

    Raises:
        ConfigError: every fault of every stage, a line each.
    """
    profiles = profiles_of(loaded)
    pairs = language_pairs(profiles)
    of_data = [check for check in checks if check.data == name]
    needed = [check for check in of_data if any(map(check.concerns, profiles))]
    readers = [check for check in of_data if check.reads]
    has_texts = any(profile.has_text for profile in profiles)
    has_speech = any(profile.has_audio for profile in profiles)
    faults: list[tuple[str, Callable[[], None]]] = []
    for check in of_data:
        if ids := find_missing(loaded, check.utterance_ids()):
            faults.append((check.stage, partial(_refuse_unknown_ids, ids)))
    if pairs and not has_texts and all(check.reads == ("text",) for check in readers):
        faults += [(check.stage, _refuse_speech) for check in readers]  # they would have nothing to do
    if pairs and not has_speech and all(check.reads == ("speech",) and check.is_last for check in readers):
        faults += [(check.stage, _refuse_texts) for check in readers]  # what reads others reads texts instead
    _collect_faults([*faults, *((check.stage, partial(check.admit, pairs)) for check in needed)])


def check_without_data(checks: Sequence[Check]) -> None:
    """Run the checks of the models of a graph without a data set, which trains or merges alone.

    Raises:
        ConfigError: every fault of every stage, a line each.
    """
    none: Pairs = frozenset()
    _collect_faults([(check.stage, partial(check.admit, none)) for check in checks if check.data == DATA])


def language_pairs(profiles: Iterable[UtteranceProfile]) -> Pairs:
    """Return the pairs of source and target language of utterances."""
    return frozenset((profile.source_language, profile.target_language) for profile in profiles)


def check_against_learning_data(pipeline: Pipeline, sets: Mapping[str, StageRef], store: str | None) -> None:
    """Run the checks of what nodes learn from, once all data sets are loaded.

    Raises:
        ConfigError: every fault of every node, a line each.
    """
    learning = (Mode.AGGREGATE, Mode.BY_HAND)
    if any(n.kind.mode in learning or n.facts.needs_unseen or n.facts.numbers for n in pipeline):
        GRAPH_STEPS["learning_data"](pipeline, sets, store)


def _refuse_speech() -> None:
    raise ConfigError(
        "expected written texts in the data, which this node reads, found recordings only: let it read a "
        "node that recognizes them, or their transcripts (a node of kind oracle)"
    )


def _refuse_texts() -> None:
    raise ConfigError(
        "expected speech in the data, which this node reads, found written texts only, and no other node "
        "that reads them: give recordings (audio), or translate the texts"
    )


def _refuse_unknown_ids(ids: Collection[str]) -> None:
    names = ", ".join(repr(utterance_id) for utterance_id in sorted(ids)[:3]) + (
        " ..." if len(ids) > 3 else ""
    )
    raise ConfigError(f"expected ids of utterances of the data, found {len(ids)} that are none: {names}")


def _collect_faults(checks: Iterable[tuple[str, Callable[[], object]]]) -> None:
    faults = []
    for stage, check in checks:
        try:
            with explain_faults(stage):
                check()
        except NotHereError:
            continue  # whoever only looks says what would be fetched
        except TransientError:
            raise  # a network that is down is no fault of the configuration
        except AntiphonError as error:
            fault = str(error)
            faults.append(fault if fault.startswith((f"{stage}.", f"{stage}: ")) else f"{stage}: {fault}")
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
