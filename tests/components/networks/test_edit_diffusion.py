"""Corruption, traces and the denoiser: the search writes what the loss teaches, a plain loop agrees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches import edit_diffusion
from components.decoding.searches.edit_diffusion import EditDiffusionModel, most_likely, select_expected_edits
from components.decoding.searches.search import search
from components.networks.denoising_loss import (
    batch_of,
    forbid_start_tags,
    make_canvases,
    tagging_and_writing_loss,
)
from components.networks.edit_diffusion import EditDiffusionNetwork
from components.networks.edit_script import (
    DELETE,
    INSERT,
    KEEP,
    REPLACE,
    shortest_edit_script,
    span_openings,
)
from components.networks.multi_source_transformer import embed_tokens
from components.networks.noising import Corruption, EditNoiser
from components.networks.writer_trace import text_of, trace_of
from tests.components.networks.test_edit_script import apply
from tests.components.networks.tiny_networks import base, diffusion

TEXTS = st.lists(st.integers(1, 9), max_size=9).map(tuple)
SOURCE, MASK = torch.tensor([[3, 4, 5, 0], [6, 2, 0, 11]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@given(TEXTS, TEXTS)
def test_a_trace_writes_what_its_script_makes(canvas: tuple[int, ...], text: tuple[int, ...]) -> None:
    edit = shortest_edit_script(canvas, text)
    trace = trace_of(canvas, edit, end=11, eos=0)
    assert text_of(trace.tokens, 11, 0) == apply(canvas, edit) == text
    assert trace.tokens[-1] == 0
    given_tokens = [t for t, free in zip(trace.tokens, trace.is_free, strict=True) if not free and t != 0]
    assert given_tokens == [canvas[p - 1] for p, t in enumerate(edit.tags) if p and t in (KEEP, INSERT)]
    assert all(position < after for position, after in zip(trace.previous_kept, trace.next_kept, strict=True))


def test_corruption_is_what_it_says() -> None:
    clean = tuple(range(1, 10)) * 20
    kinds = {"replace": (1.0, 0.0, 0.0), "insert": (0.0, 1.0, 0.0), "delete": (0.0, 0.0, 1.0)}
    counts = [0] * 50 + [1]  # noise is always token 50
    for name, chances in kinds.items():
        noise = EditNoiser(Corruption(rate=0.2, longer=0.0, kinds=chances, blank=0.0), counts)
        after = noise.corrupt_once(clean, np.random.default_rng(1))
        grown, noisy = len(after) - len(clean), after.count(50)
        if name == "replace":
            assert grown in (0, 1)  # the place behind the text can be replaced by one token
        else:
            assert grown == (noisy if name == "insert" else -(len(clean) - len(after)))
        share = abs(noisy if name != "delete" else grown) / len(clean)
        assert 0.1 < share < 0.3
    same = EditNoiser(Corruption(rate=0.0, blank=0.0), counts)
    assert same.draw_training_pair(clean, np.random.default_rng(2))[1:] == (clean, clean)
    assert (
        EditNoiser(Corruption(blank=1.0), counts).draw_training_pair(clean, np.random.default_rng(2))[1] == ()
    )


def test_noise_follows_the_counts() -> None:
    sample = EditNoiser(Corruption(), [0, 3, 0, 1]).draw_tokens(4000, np.random.default_rng(0))
    assert set(sample) == {1, 3}
    assert sample.count(1) / len(sample) == pytest.approx(0.75, abs=0.03)


def test_from_nothing_a_fresh_denoiser_translates_as_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the start tagged INSERT, the writer on an empty canvas is the translation model."""
    ready = EditDiffusionModel(diffusion(stirred=False), "v", "d")
    monkeypatch.setattr(ready, "choose", lambda p: torch.full((len(p),), INSERT))
    config = SearchConfig(beam_size=1, max_new_tokens=8)
    ours = ready.denoise((SOURCE, MASK), [(), ()], 1, config)
    network = ready.network
    network.writer.layers[0].more_attn[0].out_proj.weight.data.zero_()
    first = Seq2SeqModel(base(), "v", "base").build_scorer(input_ids=SOURCE, attention_mask=MASK)
    from components.decoding.constraints import token_constraints

    theirs = search([first], config, logits_processors=[token_constraints.suppress([11])])
    assert [c.tokens for c in ours] == [row[0].tokens for row in theirs]


def test_a_step_equals_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Greedy writing by the search against recomputing everything for every token."""
    network = diffusion(std=1.0).requires_grad_(False)
    network.base.final_logits_bias[:, [0, 11]] = 5.1  # so that spans end
    ready = EditDiffusionModel(network, "v", "d")
    texts = [(1, 2, 3, 4), (5,)]
    wanted = [[KEEP, KEEP, REPLACE, DELETE, INSERT], [INSERT, KEEP]]
    selection = iter(torch.tensor(row) for row in wanted)
    monkeypatch.setattr(ready, "choose", lambda p: next(selection))
    result = ready.denoise((SOURCE, MASK), texts, 2, SearchConfig(beam_size=1, max_new_tokens=16))
    for row, (text, tags) in enumerate(zip(texts, wanted, strict=True)):
        width = int(MASK[row].sum())
        expected, score = plain(network, SOURCE[row, :width], text, tags)
        assert result[row].tokens == expected
        assert result[row].score == pytest.approx(score, rel=1e-4)
        assert len(expected) < 12


def plain(
    network: EditDiffusionNetwork, source: torch.Tensor, text: tuple[int, ...], tags: list[int]
) -> tuple[tuple[int, ...], float]:
    """One step on one text and its score, the trace grown token by token through the training path."""
    mask = torch.ones(1, len(source), dtype=torch.bool)
    encoded = network.encode(source[None], mask)
    canvas = make_canvases([text], [2], 11, 0)
    states = network.read_canvas(encoded, mask, canvas)
    padded = torch.tensor([[*tags, KEEP]])
    keys = network.writer.project_memories(network.memories(encoded, states, padded))
    remaining, opens = span_openings(tags)
    of_tags = forbid_start_tags(network.tag_logits(states)).log_softmax(-1)[0]
    values = [of_tags[position, tag] for position, tag in enumerate(tags)]
    trace: list[int] = []
    positions: list[int] = []
    nexts: list[int] = []

    def write(place: int, after: int, forbidden: int) -> int:
        positions.append(place)
        nexts.append(after)
        inputs = torch.tensor([[11, *trace]])
        hints = network.position_hints(states, torch.tensor([positions]), torch.tensor([nexts]))
        hidden = network.writer(embed_tokens(network.base, inputs) + hints, keys, (mask, canvas.mask))
        scores = network.logits(hidden[:, -1])[0]
        scores[forbidden] = -torch.inf
        values.append(scores.log_softmax(-1).max())
        return int(scores.argmax())

    for index, place in enumerate(remaining):
        last = index + 1 == len(remaining)
        after = len(text) + 1 if last else remaining[index + 1]
        while opens[index] and len(trace) < 15:
            token = write(place, after, 11 if last else 0)
            trace.append(token)
            if token == (0 if last else 11):
                break
        if not last:
            positions.append(place)
            nexts.append(after)
            trace.append(text[after - 1])
    return tuple(token for token in trace if token not in (0, 11)), float(sum(values))


def test_the_loss_is_that_of_its_tokens_and_flows_everywhere() -> None:
    network = diffusion().double()
    pairs = [(1, (1, 2, 3), (1, 7, 8, 3)), (2, (), (4, 5))]
    tagging, written = tagging_and_writing_loss(network, SOURCE, MASK.bool(), batch_of(pairs, 11, 0), 0.0)
    torch.autograd.backward(tagging + written)
    untouched = [n for n, w in network.named_parameters() if w.requires_grad and w.grad is None]
    assert all("base.model.decoder.layers" in name for name in untouched)
    alone = [
        tagging_and_writing_loss(
            network, SOURCE[i : i + 1, : 4 - i], MASK[i : i + 1, : 4 - i].bool(), batch_of([p], 11, 0), 0.0
        )
        for i, p in enumerate(pairs)
    ]
    tagging, written, alone = tagging.detach(), written.detach(), [(a.detach(), b.detach()) for a, b in alone]
    assert float(tagging) == pytest.approx((4 * float(alone[0][0]) + float(alone[1][0])) / 5)
    assert float(written) == pytest.approx((3 * float(alone[0][1]) + 3 * float(alone[1][1])) / 6)


def test_a_text_may_be_as_long_beside_a_longer_one_as_alone() -> None:
    network = diffusion(std=1.0).requires_grad_(False)
    network.base.final_logits_bias[:, [0, 11]] = -1e3  # no span ends by itself
    network.tagger.bias[INSERT] = 100.0
    ready = EditDiffusionModel(network, "v", "d", choice="most")
    source = torch.tensor([[3, *[5] * 12, 0], [6, 0, *[11] * 12]])
    mask, config = torch.tensor([[1] * 14, [1, 1] + [0] * 12]), SearchConfig(beam_size=2, max_new_tokens=62)
    together = ready.denoise((source, mask), [(), ()], 1, config)
    alone = ready.denoise((source[1:, :2], mask[1:, :2]), [()], 1, config)
    assert together[1].tokens == alone[0].tokens
    assert [len(each.tokens) for each in together] == [2 * 14 + 32, 2 * 2 + 32]
    assert [len(each.log_probs) for each in together] == [60, 36] and not together[1].finished


def test_choices() -> None:
    table = torch.tensor([[0.7, 0.0, 0.3, 0.0], [0.6, 0.2, 0.1, 0.1], [0.4, 0.1, 0.1, 0.4], [0.7, 0.3, 0, 0]])
    assert most_likely(table).tolist() == [KEEP, KEEP, KEEP, KEEP]
    assert select_expected_edits(table).tolist() == [
        KEEP,
        REPLACE,
        DELETE,
        KEEP,
    ]  # 0.3 + 0.4 + 0.6 + 0.3 = 1.6
    assert set(edit_diffusion.TAG_CHOICES) == {"most", "expected"}


def test_where_nothing_is_written_the_loss_of_writing_is_zero_and_flows() -> None:
    network = diffusion(steps=2)
    batch = batch_of([(1, (3, 4), (3, 4))], 11, 0)
    tagging, written = tagging_and_writing_loss(network, SOURCE[:1], MASK[:1].bool(), batch, 0.1)
    assert written.item() == 0 and tagging.item() > 0
    (tagging + written).backward()  # a training step needs no case of its own
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in network.parameters())
