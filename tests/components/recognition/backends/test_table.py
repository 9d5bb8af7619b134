"""The table of backends says the same as the configuration, the model references and the checks."""

from __future__ import annotations

from typing import get_args

import pytest

from components.errors import ConfigError
from components.models.references import SCHEMES
from components.recognition import checks
from components.recognition.backends import BACKENDS, backend_for
from components.recognition.config import RecognitionConfig
from components.records import Checkpoint


def test_every_backend_is_a_choice_of_the_configuration() -> None:
    assert list(BACKENDS) == list(get_args(RecognitionConfig.model_fields["backend"].annotation))


def test_rows_know_the_schemes_of_references() -> None:
    for backend in BACKENDS.values():
        assert set(backend.schemes) <= {*SCHEMES, "path"}
        assert bool(backend.module) == bool(backend.extra)


def test_a_model_chooses_its_backend() -> None:
    assert backend_for("sphinx:en-us", "whisper") == "pocketsphinx"
    assert backend_for("packaged:whisper-base", "transformers") == "transformers"
    assert backend_for("packaged:whisper-base", "pocketsphinx") == "whisper"


@pytest.mark.parametrize(
    ("backend", "model"), [("pocketsphinx", "packaged:whisper-base"), ("transformers", "sphinx:en-us")]
)
def test_a_reference_of_another_backend_is_refused_before_anything_is_fetched(
    backend: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: name)
    monkeypatch.setattr(checks.models, "check", lambda *_: pytest.fail("the model was looked for"))
    config = RecognitionConfig.model_validate({"backend": backend, "model": model})
    with pytest.raises(ConfigError, match=f"backend {backend}: expected .*, found {model}; set both"):
        checks.check(config, None)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_of_another_architecture_is_refused(name: str) -> None:
    marian = Checkpoint(reference="x", path="/nowhere", sha256="0" * 64, architecture="MarianMTModel")
    with pytest.raises(ConfigError, match=rf"backend {name}: expected .*, found x \(MarianMTModel\)"):
        checks.check_backend(name, marian)
