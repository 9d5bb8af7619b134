"""Which configurations tie their embeddings, against transformers' own configuration classes."""

from __future__ import annotations

import pytest
from transformers import CONFIG_MAPPING

from components.merging.architecture.tied_weights import UNTIED_BY_DEFAULT, ties_embeddings

TIED = ("marian", "bart", "m2m_100", "mbart", "whisper", "gpt2", "opt", "gemma", "gemma2", "bloom")


@pytest.mark.parametrize("model_type", [*sorted(UNTIED_BY_DEFAULT), *TIED])
def test_a_configuration_that_does_not_say_is_read_as_transformers_reads_it(model_type: str) -> None:
    expected = CONFIG_MAPPING[model_type]().tie_word_embeddings
    assert ties_embeddings({"model_type": model_type}) == expected
    assert ties_embeddings({"model_type": model_type, "tie_word_embeddings": not expected}) != expected
