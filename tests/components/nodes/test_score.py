"""Scores by a model as a node: what is in its key, and what is refused before the model is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError, ModelError
from components.nodes.kind import Site
from components.nodes.score import ScoreKind, ScoreSettings
from components.pipeline.reader import read_pipeline
from tests.components.pipeline.test_planning import cascade, keys

QE = {"kind": "score", "of": "mt", "metric": "cometkiwi:hub:a/b"}


def test_its_key_is_the_metric_and_the_digest_of_its_model() -> None:
    def key(weights: str = "w", **settings: Any) -> str:
        return keys({**cascade(), "qe": {**QE, **settings}}, weights=weights)["qe"]

    assert key() == key(device="cpu") == key(metric="cometkiwi:hub:c/d")  # the digests are the same
    assert len({key(), key("other"), key(metric="xcomet_qe:hub:a/b")}) == 3


def test_its_device_and_model_are_those_of_its_settings() -> None:
    node = read_pipeline({"nodes": {**cascade(), "qe": {**QE, "device": "cpu"}}}).nodes["qe"]
    assert (node.models, node.kind.device(node.settings)) == ({"model": "hub:a/b"}, "cpu")
    assert "torch" in node.kind.libraries(node.settings)


def test_transcripts_and_models_that_are_not_there_are_refused() -> None:
    settings = ScoreSettings(metric="cometkiwi:packaged:no-such")
    with pytest.raises(ConfigError, match=r"of: expected a translation, .*, found a transcript"):
        ScoreKind().check(settings, Site("qe", transcripts=True))
    with pytest.raises(ModelError, match="no-such"):
        ScoreKind().check(settings, Site("qe", transcripts=False))
    absent = ScoreSettings(metric="cometkiwi:/no/such/folder")
    with pytest.raises(ModelError, match="/no/such/folder"):
        ScoreKind().validate_models(absent, Site("qe"), frozenset())
