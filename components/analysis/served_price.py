"""What the served models of a run were paid for: what they counted, and the user's table of prices.

The table is in the file that ``ANTIPHON_SERVED_PRICES`` names. Prices change and differ by contract, so there
is none beside the user's::

    qwen3:     {input_tokens: 0.15, output_tokens: 0.60}   # per million tokens
    whisper-1: {audio_minute: 0.006}
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from components.compute.profiling import add_usage
from components.errors import ConfigError
from components.files.yaml_text import parse_yaml, read_yaml_text
from components.records import Record
from components.run_record import StageRef, Usage
from components.served_usage import AUDIO_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS

VARIABLE = "ANTIPHON_SERVED_PRICES"


def price_of_served(stages: Iterable[StageRef]) -> float | None:
    """Return the price of what the stages of a run asked served models for; None where a price is not known.

    Translators, recognizers, refiners, fusers, judges and gates count, and answers for what was quarantined.
    Not counted are the requests of one token by which a server is looked at.

    Args:
        stages: of the run, each once.
    """
    usage: Usage = {}
    for ref in stages:
        usage = add_usage(usage, ref.usage)
    names = {reference: reference.partition(":")[2] for reference in usage}
    prices = read_prices()
    if not usage or any(name not in prices for name in names.values()):
        return None
    return sum(prices[names[reference]].of(counts) for reference, counts in usage.items())


class Price(Record):
    """The price of a model, in the currency of ``price_per_hour``.

    Attributes:
        input_tokens: per million tokens that it reads.
        output_tokens: per million tokens that it writes.
        audio_minute: per minute of speech.
    """

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
