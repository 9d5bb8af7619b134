"""Settings of sampling: several texts are drawn from a model, instead of searching the likeliest."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.decoding.config import SearchConfig
from components.stage_settings import Settings


class Sampling(Settings):
    """What is drawn for each utterance, from which part of the model's distribution."""

    count: int = Field(
        16, ge=1, le=1024, description="texts drawn per utterance, sorted by score; equal ones are kept"
    )
    temperature: float = Field(1.0, gt=0.0, le=10.0, description="below 1 likely tokens become likelier")
    top_k: int = Field(0, ge=0, description="draw from the so many likeliest tokens; 0 = all")
    top_p: float = Field(
        1.0, gt=0.0, le=1.0, description="draw from the smallest set of tokens with this probability"
    )
    epsilon: float = Field(
        0.0, ge=0.0, lt=1.0, description="never draw tokens below this probability; 0.02 suits MBR"
    )
    dropout: bool = Field(
        False,
        description="translators: instead of drawing tokens, search count times with Monte-Carlo dropout",
    )

    @model_validator(mode="after")
    def _dropout_draws_no_tokens(self) -> Self:
        set_too = [
            name
            for name in ("temperature", "top_k", "top_p", "epsilon")
            if getattr(self, name) != type(self).model_fields[name].default
        ]
        if self.dropout and set_too:
            raise ValueError(
                f"dropout: expected no {', '.join(set_too)} beside it, found both: dropout draws networks, "
                "and searches with each"
            )
        return self

    def search_config(
        self, max_new_tokens: int, length_penalty: float, *, seed: int, entropies: bool
    ) -> SearchConfig:
        """Return the search that draws the samples; for the arguments see :class:`SearchConfig`."""
        return SearchConfig(
            n_best=self.count,
            max_new_tokens=max_new_tokens,
            length_penalty=length_penalty,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            epsilon=self.epsilon,
            seed=seed,
            entropies=entropies,
        )

    def fit_batch(self, batch_size: int, beam_size: int) -> int:
        """Return how many utterances are decoded together, for about as many rows as in a search."""
        return batch_size if self.dropout else max(1, batch_size * beam_size // self.count)


def refuse_settings(sampling: Sampling | None, **ignored: bool) -> None:
    """Refuse settings beside ``sampling`` that it would ignore.

    Args:
        sampling: the setting; None refuses nothing.
        **ignored: setting -> whether it is set to something else than its default.

    Raises:
        ValueError: one is.
    """
    names = [name for name, is_set in ignored.items() if is_set]
    if sampling is not None and names:
        it = "it" if len(names) == 1 else "them"
        raise ValueError(
            f"sampling: expected no {', '.join(names)} beside it, found both: samples have no use for {it}"
        )
