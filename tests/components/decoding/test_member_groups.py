"""Members in groups, one after another and side by side: the texts and scores of each member alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch

from components.decoding.accelerator.decoders.marian_on_device import DeviceMarianScorer
from components.decoding.accelerator.members import grouped_members
from components.decoding.accelerator.members.grouped_members import group_members
from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from tests.components.decoding import tiny_models
from tests.stream_double import OrderError, StreamDouble, stream_double
from tests.strict_device import on_card

BEAM = SearchConfig(beam_size=3, n_best=2, max_new_tokens=9)
THIRDS = LinearInterpolation((0.5, 0.3, 0.2))


@pytest.fixture(scope="module")
def ready() -> list[Seq2SeqModel]:
    return [ready_model(seed) for seed in range(3)]


def ready_model(seed: int) -> Seq2SeqModel:
    """The second is of another architecture than the first and the third."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiny_models.BART, "decoder_ffn_dim", 40 if seed == 1 else 48)
        model = tiny_models.marian(seed=seed)
    model.get_output_embeddings()._forward_hooks.clear()
    return Seq2SeqModel(model, "digest", str(seed))


def scorers(ready: Sequence[Seq2SeqModel], kind: type = DeviceMarianScorer) -> list[TokenScorer]:
    inputs = tiny_models.sources(ready[0].model, 3)
    return [kind(each, inputs, torch.tensor(each.start)) for each in ready]


def decode(members: list[TokenScorer], combiner: Combiner = THIRDS) -> list[list[Candidate]]:
    return search(members, BEAM, combiner=combiner)


def test_members_of_one_architecture_run_as_one_beside_others(ready: list[Seq2SeqModel]) -> None:
    assert [group.members for group in group_members(scorers(ready), stacks=True)] == [(0, 2), (1,)]
    assert [group.members for group in group_members(scorers(ready), stacks=False)] == [(0,), (1,), (2,)]
    calls, alone = Counter[int](), Counter[int]()
    in_groups = search(scorers(ready), BEAM, combiner=THIRDS, calls=calls)
    expected = search(scorers(ready, Seq2SeqScorer), BEAM, combiner=THIRDS, calls=alone)
    assert calls == alone
    for nbest, others in zip(in_groups, expected, strict=True):
        assert [candidate.tokens for candidate in nbest] == [candidate.tokens for candidate in others]
        for candidate, other in zip(nbest, others, strict=True):
            for values, wanted in zip(candidate.member_log_probs, other.member_log_probs, strict=True):
                assert values == pytest.approx(wanted, abs=1e-4)


def test_groups_side_by_side_give_the_same_bytes(
    ready: list[Seq2SeqModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decode(scorers(ready))
    with stream_double(monkeypatch) as streams:
        assert decode(scorers(ready)) == expected
        assert decode(scorers(ready)) == expected
    assert len(streams.used) == 3


@pytest.mark.parametrize("fault", ["nothing waits", "own stream goes on"])
def test_what_is_not_waited_for_is_found_out(
    fault: str, ready: list[Seq2SeqModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the test above would show nothing."""
    with stream_double(monkeypatch) as streams:
        if fault == "nothing waits":
            monkeypatch.setattr(StreamDouble, "waits", False)
        else:
            StreamDouble().wait_stream(streams.own)
        with pytest.raises(OrderError):
            decode(scorers(ready))


def test_after_a_member_has_failed_the_others_are_waited_for(
    ready: list[Seq2SeqModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their memory may be given out again then."""
    members = scorers(ready)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(members[1], "step", fail)
    with stream_double(monkeypatch) as streams:
        with pytest.raises(RuntimeError, match="out of memory"):
            decode(members)
        assert len(streams.used) == 3 and streams.current is streams.own
        torch.zeros(2).add_(1)


@pytest.mark.gpu
@pytest.mark.parametrize("graphs", ["off", "on"])
def test_groups_side_by_side_on_a_card(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [ready_model(seed) for seed in range(3)]
    inputs = on_card(tiny_models.sources(models[0].model, 3))
    for each in models:
        each.model.to("cuda")
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", graphs)
    outputs = {}
    for streams in ("off", "on"):
        monkeypatch.setenv("ANTIPHON_MEMBER_STREAMS", streams)
        outputs[streams] = [decode([each.build_scorer(**inputs) for each in models]) for _ in range(3)]
    assert outputs["on"] == outputs["off"]


def test_side_by_side_only_where_it_is_asked_for(
    ready: list[Seq2SeqModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped_members, "STREAM_DEVICES", {"cpu"})
    monkeypatch.setattr(grouped_members, "_stream", lambda *_: pytest.fail("not asked for"))
    decode(scorers(ready))
