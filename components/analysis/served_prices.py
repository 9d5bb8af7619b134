"""What served models cost: a table of the user's, in the file that ``ANTIPHON_SERVED_PRICES`` names.

Prices change and differ by contract, so there is no table beside the user's::

    qwen3:     {input_tokens: 0.15, output_tokens: 0.60}   # per million tokens
    whisper-1: {audio_minute: 0.006}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.errors import ConfigError
from components.files.yaml_text import parse_yaml, read_yaml_text
from components.served_usage import AUDIO_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS

VARIABLE = "ANTIPHON_SERVED_PRICES"


class Price(BaseModel):
    """The price of a model, in the currency of ``price_per_hour``.

    Attributes:
        input_tokens: per million tokens that it reads.
        output_tokens: per million tokens that it writes.
        audio_minute: per minute of speech.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input_tokens: float = Field(0.0, ge=0)
    output_tokens: float = Field(0.0, ge=0)
    audio_minute: float = Field(0.0, ge=0)

    def of(self, counts: Mapping[str, float]) -> float:
        """Return the price of what was counted."""
        tokens = self.input_tokens * counts.get(INPUT_TOKENS, 0.0)
        tokens += self.output_tokens * counts.get(OUTPUT_TOKENS, 0.0)
        return tokens / 1e6 + self.audio_minute * counts.get(AUDIO_SECONDS, 0.0) / 60


def read_prices() -> dict[str, Price]:
    """Return the user's table: name behind ``served:`` -> price; empty where none is set.

    Raises:
        ConfigError: the file cannot be read, or an entry of it is wrong.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    try:
        values, _ = parse_yaml(read_yaml_text(Path(path).expanduser()), path)
        return TypeAdapter(dict[str, Price]).validate_python(values or {})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise ConfigError(f"{VARIABLE}: {path}: {where}: {fault['msg']} (docs/families/served.md)") from None
