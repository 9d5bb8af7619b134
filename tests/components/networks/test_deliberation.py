"""The network against Marian's own decoder, the search, and a plain loop."""

from __future__ import annotations

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.networks.deliberation_objective import pad_drafts
from tests.components.networks.tiny_networks import base, deliberation

SOURCE = torch.tensor([[3, 4, 5, 0], [6, 2, 0, 11]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.mark.parametrize("activation", ["swish", "relu"])
def test_a_fresh_second_decoder_is_the_first_one(activation: str) -> None:
    network = deliberation(stirred=False, activation_function=activation)
    labels = torch.tensor([[1, 2, 3], [4, 5, 0]])
    encoded = network.encode(SOURCE, MASK)
    draft = network.read_draft(encoded, MASK.bool(), labels, labels >= 0)
    second = network.second_states(encoded, MASK.bool(), draft, labels)
    torch.testing.assert_close(second, network.first_states(encoded, MASK.bool(), labels))


def test_a_fresh_network_translates_as_its_base() -> None:
    network = deliberation(stirred=False)
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=9)
    ours = search(
        [DeliberationModel(network, "v", "d").build_scorer(input_ids=SOURCE, attention_mask=MASK)], config
    )
    plain = Seq2SeqModel(base(), "v", "first").build_scorer(input_ids=SOURCE, attention_mask=MASK)
    theirs = search([plain], config)
    assert [[c.tokens for c in row] for row in ours] == [[c.tokens for c in row] for row in theirs]


def test_step_by_step_equals_all_at_once() -> None:
    network = deliberation().requires_grad_(False)
    ready = DeliberationModel(network, "v", "d")
    drafts = [(5, 6, 0), (7, 0)]
    sequences = [(1, 2, 3, 0), (4, 0)]
    member = ready.build_scorer(input_ids=SOURCE, attention_mask=MASK, drafts=drafts)
    forced = force_decode([member], sequences)
    tokens, real = pad_drafts([[draft] for draft in drafts], 11)
    encoded = network.encode(SOURCE, MASK)
    draft = network.read_draft(encoded, MASK.bool(), tokens, real)
    for row, sequence in enumerate(sequences):
        labels = torch.tensor([sequence])
        item = type(draft)(*(part[row : row + 1] for part in vars(draft).values()))
        states = network.second_states(encoded[row : row + 1], MASK[row : row + 1].bool(), item, labels)
        total, _ = network.log_probs(states, labels, labels >= 0)
        assert abs(forced[row].score - float(total)) < 1e-4


def test_the_draft_matters_and_beams_follow_their_rows() -> None:
    ready = DeliberationModel(deliberation(std=1.0), "v", "d")
    config = SearchConfig(beam_size=4, n_best=4, max_new_tokens=8)

    def found(drafts: list[tuple[int, ...]]) -> list[list[tuple[tuple[int, ...], float]]]:
        member = ready.build_scorer(input_ids=SOURCE, attention_mask=MASK, drafts=drafts)
        return [[(c.tokens, round(c.score, 3)) for c in row] for row in search([member], config)]

    both = found([(5, 6, 0), (7, 0)])
    assert both != found([(1, 1, 1, 1, 0), (2, 2, 0)])
    for row in range(2):  # each alone gives what it gives in the batch
        width = int(MASK[row].sum())
        member = ready.build_scorer(
            input_ids=SOURCE[row : row + 1, :width],
            attention_mask=MASK[row : row + 1, :width],
            drafts=[[(5, 6, 0), (7, 0)][row]],
        )
        assert [(c.tokens, round(c.score, 3)) for c in search([member], config)[0]] == both[row]
