"""The simultaneous twin of a finished run: its recordings are replayed, its nodes answer meanwhile.

`antiphon simultaneous RUN`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State

from components.analysis.texts_to_score import Languages
from components.errors import ConfigError, DataError
from components.files.digests import sha256_of
from components.metrics.metric import Metric
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.table import metrics_of, under_normalizer
from components.pipeline.pipeline import DATA
from components.run_record import RunRecord
from components.serving.graph import ServedGraph
from components.simultaneous.analysis import SIMULTANEOUS, SimultaneousRequest
from components.simultaneous.evaluation import Output, Point, Simultaneous, evaluate, score_outputs
from components.simultaneous.policies import read_policies
from components.simultaneous.policy_costs import list_variants, measure_costs
from components.simultaneous.records import Replay
from components.simultaneous.replay import Replayer
from components.simultaneous.requirements import choose_policies, require_prefixes
from components.simultaneous.stream_log import read_log, write_log
from components.storage.stages.reader import read_best_texts, read_utterances
from components.storage.store import Store
from flows.checks import Check
from flows.definition import define_flow
from flows.parameters.simultaneous import SimultaneousParameters
from flows.python_flows.finished_runs.reopened_run import reopen_run
from flows.run import Run, final_state
from flows.serving import open_graph, source_of_run
from tasks.progress import ProgressBar
from tasks.stages import report


@define_flow(SimultaneousParameters)
def simultaneous(parameters: SimultaneousParameters) -> RunRecord | State[RunRecord]:
    """Replay the recordings of a finished run under policies; adds ``simultaneous`` to a copy of it."""
    _, run = reopen_run(parameters.run, "simultaneous", parameters)
    with run:
        graph = open_graph(source_of_run(parameters.run, parameters.store))
        require_prefixes(graph)
        for text in parameters.policy:
            choose_policies(text, graph)
        twin = _Twin(run, parameters, graph)
        settings: dict[str, Any] = {
            "policy": parameters.policy,
            "chunk": parameters.chunk,
            "history": parameters.history,
        }
        settings |= {"limit": parameters.limit, "log": [_digest(name) for name in parameters.log]}
        request = SimultaneousRequest(settings, run.stages[DATA], graph.key, parameters.seed, twin.replay)
        run.add(SIMULTANEOUS.run(request, run.store))
        report.publish_run_report(run.record, run.store)
    return final_state(run.record)


def checks(parameters: SimultaneousParameters) -> list[Check]:
    """Return the check of the run, the policies and the logs, as far as nothing is loaded."""
    return [Check("simultaneous", lambda: _check_names(parameters))]


def _check_names(parameters: SimultaneousParameters) -> None:
    nodes = [node.name for node in Store(parameters.store).read_run(parameters.run).pipeline.nodes]
    for text in parameters.policy:
        read_policies(text.split(), nodes)
    for log in parameters.log:
        _digest(log)


def _digest(log: str) -> str:
    if not Path(log).is_file():
        raise ConfigError(f"log: expected a file, found nothing at {log}")
    return sha256_of(Path(log))


class _Twin:
    """The settings of a flow over the recordings of its run."""

    def __init__(self, run: Run, parameters: SimultaneousParameters, graph: ServedGraph) -> None:
        self._run, self._parameters, self._graph = run, parameters, graph
        everything = list(read_utterances(run.stages[DATA]))
        n = min(parameters.limit or len(everything), len(everything))
        self._utterances = [everything[k * len(everything) // n] for k in range(n)]
        self._output = self._find_output()

    def _find_output(self) -> Output:
        pipeline = self._graph.pipeline
        role = "translation" if "translation" in pipeline.outputs else "transcript"
        if role not in pipeline.outputs:
            raise ConfigError("outputs: expected a transcript or a translation to judge, found none")
        node = pipeline.outputs[role]
        chain = [node]
        while follows := self._graph.nodes[chain[0]].follows:
            if len(follows) > 1:
                raise ConfigError(f"{chain[0]}: expected one text to read, found {', '.join(follows)}")
            chain.insert(0, follows[0])
        texts = None if pipeline.is_spoken(node) else pipeline.language_of(node)
        return Output(role, node, tuple(chain), Languages(texts, pipeline.languages[1]))

    def replay(self, folder: Path) -> tuple[Simultaneous, list[str]]:
        """Replay everything under every setting; logs are written into a folder."""
        points, files = list[Point](), list[str]()
        metrics = [
            under_normalizer(metric, getattr(self._run.parameters, "normalizer", BY_LANGUAGE))
            for metric in metrics_of(self._output.role).values()  # type: ignore[arg-type]
            if metric.name in ("bleu", "chrf", "wer", "cer")
        ]
        logged = [self._score_log(Path(name), metrics) for name in self._parameters.log]  # faults come first
        names = {u.id: Path(u.audio.path).name if u.audio else u.id for u in self._utterances}
        from components.compute.device import count_torch_threads  # imports torch

        threads = count_torch_threads()
        settings = list(product(self._parameters.policy, self._parameters.chunk))
        bar = ProgressBar("simultaneous", f"{len(settings)} settings")
        for number, (policy, chunk) in enumerate(settings):
            choices = choose_policies(policy, self._graph)
            replayer = Replayer(self._graph, choices, chunk, self._parameters.history, threads)
            if number == 0:
                replayer.replay(self._utterances[0])  # loads what is loaded late
            replays = [replayer.replay(utterance) for utterance in self._utterances]
            named = {name: str(choice) for name, choice in choices.items()}
            point = evaluate(replays, self._utterances, self._output, metrics, (named, chunk))
            if not point.n:
                raise DataError(
                    f"expected a recording to replay, found none: {next(iter(point.faults.values()))}"
                )
            points.append(point.model_copy(update={"costs": self._measure_costs(replayer, replays, metrics)}))
            get_run_logger().info("%s: %d of %d recordings", point.title, point.n, point.n_total)
            files.append(f"stream-{number + 1}.jsonl")
            done = [replay for replay in replays if not replay.fault]
            (folder / files[-1]).write_text(write_log(done, names, self._output.node), encoding="utf-8")
            bar.show(100 * (number + 1) / len(settings))
        points += logged
        offline = score_outputs(self._offline_texts, self._utterances, self._output, metrics)
        return Simultaneous(output=self._output.role, offline=offline, points=tuple(points)), files

    def _score_log(self, path: Path, metrics: list[Metric]) -> Point:
        """Return what a log of another system over the same recordings is worth."""
        output = self._output._replace(chain=(self._output.node,))
        spoken = output.role == "transcript"
        first = self._utterances[0]
        language = first.source_language if spoken else first.target_language or output.languages.target or ""
        try:
            logged = read_log(path.read_text(encoding="utf-8"), language, output.node)
        except (OSError, UnicodeDecodeError, DataError) as error:
            raise DataError(f"{path}: {error}") from error
        replays = []
        for utterance in self._utterances:
            name = Path(utterance.audio.path).stem if utterance.audio else utterance.id
            missing = Replay(utterance_id=utterance.id, seconds=0.0, fault=f"{name} is not in the log")
            replays.append(logged.get(name, missing).model_copy(update={"utterance_id": utterance.id}))
        point = evaluate(replays, self._utterances, output, metrics, ({"log": path.name}, 0.0))
        if not point.n:
            raise DataError(f"{path}: expected the run's recordings by their file names, found none of them")
        return point

    def _measure_costs(
        self, replayer: Replayer, replays: Sequence[Replay], metrics: Sequence[Metric]
    ) -> dict[str, dict[str, Estimate]]:
        """Return what the recognizer's errors and the policy of each node cost."""
        replayed = {replay.utterance_id: replay for replay in replays if not replay.fault}
        utterances = [utterance for utterance in self._utterances if utterance.id in replayed]
        variants = list_variants(
            replayer, utterances, [*replayed.values()], self._output, self._offline_texts
        )
        return measure_costs(variants, utterances, self._output, metrics)

    @cached_property
    def _offline_texts(self) -> dict[str, str]:
        """The texts of the run, which hears everything first."""
        ids = {utterance.id for utterance in self._utterances}
        texts = read_best_texts(self._run.stages[self._output.node])
        return {key: text for key, text in texts.items() if key in ids}
