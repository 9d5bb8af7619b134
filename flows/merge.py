"""Merging: recipe -> doctor -> merge -> decode development data -> gate -> a model that the store names.

An accepted model is `store:KEY` for every flow. `python -m flows.merge` takes the options of
`antiphon run merge`.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components import models
from components.errors import DataError
from components.merging import Recipe, checks, from_text, read
from components.records import RunRecord, Score, StageRef
from flows import preflight
from flows.merge_parameters import MergeParameters
from flows.parameters import flat
from flows.preflight import Need
from flows.running import Run, ending, name_flow_run
from tasks import data, merging, metrics, recognition, translation
from tasks.options import value_of
from tasks.runners import runner


class _Scoring:
    """Decodes data sets with one model after another, as the parameters say."""

    def __init__(self, parameters: MergeParameters, run: Run) -> None:
        self._parameters, self._run = parameters, run

    def load(self, source: str) -> StageRef:
        """The utterances of a data set."""
        p = self._parameters
        languages = p.source_language, p.target_language
        return self._run.add(data.load(source, None, *languages, p.limit, self._run.store_url))

    def decode(self, model: str, loaded: StageRef) -> StageRef:
        """What a model makes of the data: transcripts of a speech model, else translations."""
        p, url = self._parameters, self._run.store_url
        speaks = models.resolve(model, url).architecture.startswith("Whisper")
        if speaks:
            asr = p.asr.model_copy(update={"model": model})
            heard = value_of(recognition.recognise(asr, loaded, url, p.seed))
            if heard is None:
                raise DataError(f"{model} is a speech model, and the data have no audio; give spoken data")
            return self._run.add(heard)
        mt = p.mt.model_copy(update={"model": model})
        return self._run.add(translation.translate(mt, (loaded,), url, p.seed))

    def scores(self, loaded: StageRef, decoded: StageRef) -> dict[str, Score]:
        """Every score that the references allow."""
        stages, run = {"data": loaded, decoded.stage: decoded}, self._run
        found = metrics.score(stages, self._parameters.target_language, run.store_url, run.name)
        return metrics.read_scores(run.add(found))


def recipe_of(text: str) -> Recipe:
    """A recipe from a file, or from its text. Raises ConfigError or MergeError with the line."""
    return from_text(text) if "\n" in text.strip() else read(Path(text).expanduser())


def needs(parameters: MergeParameters) -> list[Need]:
    """What the stages need before anything is computed."""
    url, baseline = parameters.store, parameters.baseline
    languages = parameters.source_language, parameters.target_language
    found = [Need("merge", lambda: checks.check(recipe_of(parameters.recipe), url))]
    if baseline is not None:
        found.append(Need("baseline", lambda: models.check(baseline, url)))
    sets = (parameters.dev, parameters.test)
    return [*found, *(preflight.tested(one, *languages) for one in sets)]


@flow(name="merge", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(MergeParameters)
def merge(parameters: MergeParameters) -> RunRecord | State[RunRecord]:
    """Merge models as a recipe says, and keep the result if it is not worse than the baseline."""
    preflight.refuse(needs(parameters))
    recipe = recipe_of(parameters.recipe)
    run = Run("merge", parameters)
    accepted = True
    with run:
        merged = run.add(value_of(merging.merge(recipe, run.store_url, parameters.seed)))
        model = f"store:{merged.key}"
        run.notes.append(f"model {model}")
        scoring = _Scoring(parameters, run)
        if parameters.dev is not None:
            accepted = _gated(parameters, run, recipe, model, scoring)
        if parameters.test is not None and accepted:
            loaded = scoring.load(parameters.test)
            run.metrics |= scoring.scores(loaded, scoring.decode(model, loaded))
    record = run.record
    if not accepted:
        return Completed(name="Rejected", message="; ".join(record.notes), data=record)
    return ending(record)


def _gated(parameters: MergeParameters, run: Run, recipe: Recipe, model: str, scoring: _Scoring) -> bool:
    """Whether the merged model passes the gate; its development scores become metrics ``dev_*``."""
    from components.merging.references import reference

    loaded = scoring.load(str(parameters.dev))
    name = parameters.baseline or reference(recipe.base or recipe.models[0], recipe)
    baseline = scoring.decode(name, loaded)
    decoded = scoring.decode(model, loaded)
    metric = parameters.metric
    if metric == "auto":
        metric = "wer" if decoded.stage == "asr" else "bleu"
    url = run.store_url
    verdict = merging.read_verdict(
        run.add(value_of(merging.gate(loaded, decoded, baseline, name, metric, parameters.margin, url)))
    )
    scored = scoring.scores(loaded, decoded)
    run.metrics |= {f"dev_{k}": s.model_copy(update={"name": f"dev_{k}"}) for k, s in scored.items()}
    run.notes.append(str(verdict))
    return verdict.accepted


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("merge")
