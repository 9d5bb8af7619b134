"""``mixture_weights``: what translators that are mixed token by token learn from development data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.ensembling.token_level.config import COEFFICIENTS_FILE, TRANSLATION_VERSION
from components.files import read_json
from components.nodes.kind import Kind, Site
from components.nodes.translate import LIBRARIES, TranslateSettings, members_by_role
from components.records import StageRef
from components.storage.reader import languages_of, read_utterances
from components.storage.whole_stage import Product


class MixtureWeights(Kind[TranslateSettings]):
    """Coefficients, a gate or a strength, from references; a ``translate`` node names it as ``learned``."""

    name = "mixture_weights"
    summary = "references -> coefficients of translators that are mixed"
    settings = TranslateSettings
    reads = ("data",)
    gives = "table"
    whole = True

    def version(self, settings: TranslateSettings) -> str:
        """Of the mixing."""
        return str(TRANSLATION_VERSION)

    def libraries(self, settings: TranslateSettings) -> tuple[str, ...]:
        """As of a translator."""
        return LIBRARIES

    def models(self, settings: TranslateSettings) -> dict[str, str]:
        """The members."""
        return members_by_role(settings)

    def device(self, settings: TranslateSettings) -> str:
        """As set."""
        return settings.device

    def parameters(self, settings: TranslateSettings, site: Site) -> dict[str, Any]:
        """The method, and the arithmetic; the search is no part of it."""
        parameters = settings.combine.model_dump(mode="json", include={"method", "learn", "top_k"})
        return {**parameters, "dtype": settings.dtype, "thinned": settings.dropout_members}

    def check(self, settings: TranslateSettings, site: Site) -> None:
        """That there is something to learn; the members are those of the node that translates."""
        from components.ensembling.token_level import checks  # noqa: PLC0415 - imports torch

        checks.check_learning(settings.ensemble, site.store)

    def make(
        self, settings: TranslateSettings, site: Site, read: Mapping[str, StageRef], folder: Path
    ) -> Product:
        """Learn on the pairs of text and reference."""
        from components.device import seed_everything  # noqa: PLC0415 - imports torch
        from components.ensembling.token_level.learning import weights_folder  # noqa: PLC0415 - imports torch
        from components.training import parallel_data  # noqa: PLC0415 - imports torch

        assert settings.ensemble is not None  # checked
        data = read["of0"]
        seed_everything(site.seed)
        texts = parallel_data.pairs_of(read_utterances(data))
        used = weights_folder.learn_into_folder(
            settings.ensemble, texts, languages_of(data), site.store, folder
        )
        return Product([COEFFICIENTS_FILE, weights_folder.CONTRIBUTIONS], items=used)

    def notes(
        self, settings: TranslateSettings, site: Site, ref: StageRef, data: StageRef | None
    ) -> list[str]:
        """What was learned."""
        values = read_json(Path(ref.path) / COEFFICIENTS_FILE)
        if "strength" in values:
            return [f"{ref.stage}: strength {values['strength']:.4g}"]
        weights = zip(values["members"], values["weights"], strict=True)
        told = ", ".join(f"{name} {weight:.4f}" for name, weight in weights)
        likelihoods = f"{values['learned']:.4f}, with equal weights {values['uniform']:.4f}"
        return [f"{ref.stage}: {told}; likelihood {likelihoods}"]
