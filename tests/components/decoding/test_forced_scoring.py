"""Reading several known tokens at once is taking them one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from components.decoding import forced_scoring
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.search import force_decode
from components.ensembling.token_level.combiners import LinearInterpolation

from .models import SEQ2SEQ, marian, packed_marian, sources
from .test_laws import FAMILIES

SEQUENCES = [(20, 21, 22, 23, 24, 25), (30, 31), (40, 41, 42, 43)]


def _makes(name: str) -> list[Callable[[], TokenScorer]]:
    if name in FAMILIES:
        return FAMILIES[name]()[0][:2]  # type: ignore[return-value]
    model = SEQ2SEQ.get(name, marian)()
    ready = packed_marian(model) if name == "packed" else Seq2SeqModel(model, "digest", name)
    return [partial(ready.build_scorer, **sources(model, 3))]


class Plain:
    """A member that can only be taken step by step."""

    def __init__(self, member: TokenScorer) -> None:
        self.name, self.vocabulary, self.limit = member.name, member.vocabulary, member.limit
        self.prefill, self.step = member.prefill, member.step


@pytest.mark.parametrize("columns", [1, 2, 100])
@pytest.mark.parametrize("name", [*FAMILIES, "packed", "m2m", "mbart", "t5"])
def test_a_reader_says_what_its_member_says_step_by_step(
    name: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    makes = _makes(name)
    combine = LinearInterpolation([0.6, 0.4]) if len(makes) > 1 else None
    run = partial(force_decode, sequences=SEQUENCES, combiner=combine)
    wanted = run([Plain(make()) for make in makes])
    members = [make() for make in makes]
    monkeypatch.setattr(forced_scoring, "LARGEST", columns * 4 * 3 * members[0].vocabulary.size)
    asked: list[int] = []
    read = type(members[0]).read  # type: ignore[attr-defined]

    def counted(self: TokenScorer, parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        asked.append(tokens.shape[1])
        return read(self, parents, tokens)  # type: ignore[no-any-return]

    monkeypatch.setattr(type(members[0]), "read", counted)
    for one, two in zip(run(members), wanted, strict=True):
        assert one.tokens == two.tokens
        torch.testing.assert_close(one.log_probs, two.log_probs, atol=1e-4, rtol=0)
        torch.testing.assert_close(one.member_log_probs, two.member_log_probs, atol=1e-4, rtol=0)
    assert sum(asked) == 5 * len(makes)  # the last token of the longest sequence is not run
    assert max(asked) == {1: 2, 2: 3, 100: 5}[columns]  # more columns where fewer rows are left
