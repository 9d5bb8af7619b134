"""``fit_mixture``: coefficients of translators that are mixed token by token, learned on dev data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from components.compute.machine import resolve_dtype_name
from components.files.files import read_json
from components.nodes.facts import Facts, Mode
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.storage.stages.model_labels import label_models
from components.storage.stages.reader import languages_of, read_utterances
from components.storage.stages.whole_stage import TABLES, StageFiles
from components.translation.config import COEFFICIENTS_FILE, TRANSLATION_VERSION
from components.translation.kinds.translate import LIBRARIES, TranslateSettings, members_by_role


class FitMixtureSettings(TranslateSettings):
    """Settings of the translator whose coefficients are learned."""

    def key_parameters(self) -> dict[str, Any]:
        """Return the method, the prompt and the arithmetic type; the search does not matter here."""
        parameters = self.combine.model_dump(mode="json", include={"method", "learn", "top_k"})
        prompt = {} if self.prompt == "auto" else {"prompt": self.prompt}
        dtype = resolve_dtype_name(self.dtype, self.device)
        return {**parameters, **prompt, "dtype": dtype, "thinned": self.dropout_members}


class FitMixture(Kind[FitMixtureSettings]):
    """Learns coefficients, a gate or a strength from references, for a ``translate`` node (``learned``)."""

    name = "fit_mixture"
    summary = "references -> coefficients of translators that are mixed"
    settings = FitMixtureSettings
    reads = ("data",)
    output = "table"
    mode = Mode.WHOLE
    version = f"{TRANSLATION_VERSION}/held-out/3"
    libraries = LIBRARIES

    @override
    def facts(self, settings: FitMixtureSettings) -> Facts:
        facts = super().facts(settings)
        examples = {role: path for role, path in facts.files.items() if role == "examples"}  # not the terms
        return replace(facts, models=members_by_role(settings), files=examples, tables={})

    @override
    def check(self, settings: FitMixtureSettings, context: NodeContext) -> None:
        """Check that there is something to learn; the node that translates checks the members."""
        from components.ensembling.token_level import checks  # noqa: PLC0415 - imports torch

        checks.check_learning(settings.ensemble, context.store)

    @override
    def make(
        self, settings: FitMixtureSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Learn on pairs of text and reference."""
        from components.compute.device import seed_device  # noqa: PLC0415 - imports torch
        from components.ensembling.token_level.learning import weights_folder  # noqa: PLC0415 - imports torch
        from components.training.examples import parallel_data  # noqa: PLC0415 - imports torch

        assert settings.ensemble is not None  # checked
        data = read["of0"]
        seed_device(settings.ensemble.device, context.seed)
        texts = parallel_data.pairs_of(read_utterances(data))
        used = weights_folder.learn_into_folder(
            settings.ensemble, texts, languages_of(data), context.store, folder
        )
        return StageFiles([COEFFICIENTS_FILE, TABLES], items=used)

    @override
    def notes(
        self, settings: FitMixtureSettings, context: NodeContext, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """Say what was learned."""
        values = read_json(Path(ref.path) / COEFFICIENTS_FILE)
        if "strength" in values:
            tried, best = values["likelihoods"], values["strength"]
            edge = f", the highest of {len(tried)} that were tried: a higher one may be better, set by hand"
            return [f"{ref.stage}: strength {best:.4g}{edge * (best == max(map(float, tried)))}"]
        weights = zip(values["members"], values["weights"], strict=True)
        shares = ", ".join(f"{label_models(name, context.store)} {weight:.4f}" for name, weight in weights)
        mean = "a gate, on average " if values["gate"] else ""
        likelihoods = (
            f"{values['learned']:.4f} nats a token of dev, with equal weights {values['uniform']:.4f}"
        )
        return [f"{ref.stage}: {mean}{shares}; log-likelihood {likelihoods}"]
