"""Components on a device as strict as CUDA give what they give on the CPU; see tests/strict_device.py.

A new component that computes joins the table :data:`CASES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperForConditionalGeneration
from whisper.model import LayerNorm

from components.compute.cuda_graphs import CUDA_GRAPHS
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints import token_constraints
from components.decoding.constraints.guidance import Guidance
from components.decoding.ctc import prefix_beam_search
from components.decoding.mixing.gate_features import N_FEATURES
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.deliberation import DeliberationModel
from components.decoding.searches.edit_diffusion import EditDiffusionModel
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.decoding.searches.speculative import Draft
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.ensembling.token_level.dropout import DropoutScorer
from components.ensembling.token_level.learning.coefficients import fit_constants, fit_gate
from components.ensembling.token_level.learning.fitting import likelihood_by_strength
from components.ensembling.token_level.learning.gating_network import SoftmaxGate
from components.ensembling.token_level.learning.reference_log_probs import collect_log_probs
from components.ensembling.token_level.vocabularies.vocabulary_mapping import (
    Lexicon,
    SharedVocabulary,
    intersect_vocabularies,
    unite_vocabularies,
)
from components.ensembling.token_level.whisper_ensemble import WhisperEnsemble
from components.experts import routing_stats
from components.experts.contribution import reference_log_likelihoods as likelihoods_of
from components.experts.upcycling import upcycle
from components.kernels import triton_ready
from components.models.loaders.language_model import CausalLanguageModel
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.load_balancing_loss import BALANCE_LOSSES, total_loss
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router
from components.pruning.masks import mask_by_magnitude
from components.pruning.prune import find_layers, measure_layouts
from components.pruning.sparse_linear import semi_structured_obstacle
from components.recognition.backends.transformers_whisper.model import TransformersWhisperBackend
from components.recognition.backends.whisper import model as openai_whisper
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.ctc.speech_ctc import HeadSettings, SpeechCtcModel
from components.recognition.whisper import encoder
from components.recognition.whisper.backend import DecodingRequest
from components.recognition.whisper.encoder import WhisperEncoder
from components.stacking.stacked_scorer import StackedScorer
from components.training.config import TrainingConfig
from components.training.examples import batches
from components.training.loop import cross_entropy
from components.training.marian_model import build_marian
from tests.components.decoding import tiny_models
from tests.components.experts.test_routing_stats import SAMPLES, Tokenizer
from tests.components.experts.test_upcycling import marian as sparse_marian
from tests.components.networks.tiny_networks import deliberation, diffusion
from tests.components.recognition.tiny import mels, tiny
from tests.components.stacking import tiny as stacking
from tests.strict_device import StrictDevice, StrictDeviceError, on_card, on_cpu, on_device, strict_device

Place = Callable[[Any], Any]
"""Puts tensors and modules where a case computes: :func:`on_device`, or the CPU, where they are."""
LENGTH = 4
GREEDY = SearchConfig(beam_size=1, max_new_tokens=LENGTH)
BEAM = SearchConfig(beam_size=3, n_best=2, max_new_tokens=LENGTH)
DRAWN = SearchConfig(temperature=0.7, top_p=0.8, n_best=2, max_new_tokens=LENGTH)
CUT = SearchConfig(temperature=0.7, top_k=9, epsilon=0.01, n_best=2, max_new_tokens=LENGTH, entropies=True)
LONG = SearchConfig(beam_size=3, n_best=2, max_new_tokens=20, entropies=True)
REFERENCES = [(5, 6, 0), (7, 0), (8, 9, 10, 0)]


def seq2seq(place: Place, name: str = "marian", seed: int = 0, **settings: Any) -> Seq2SeqModel:
    model = tiny_models.SEQ2SEQ[name](seed=seed, **settings)
    model.get_output_embeddings()._forward_hooks.clear()  # it adds a tensor of the CPU
    if name == "marian":
        model.final_logits_bias[0, 0] += 3.0
    return Seq2SeqModel(place(model), "digest", f"{name} {seed}")


def marians(place: Place, n: int, sentences: int = 3) -> list[TokenScorer]:
    inputs = {k: v[:sentences] for k, v in tiny_models.sources(tiny_models.marian(), 3).items()}
    return [seq2seq(place, seed=seed).build_scorer(**place(inputs)) for seed in range(n)]


def one(place: Place, name: str, config: SearchConfig) -> Any:
    ready = seq2seq(place, name)
    return search(
        [ready.build_scorer(**place(tiny_models.sources(ready.model, 3)))],
        config,
        logits_processors=logits_processors_of(ready.model),
    )


def prompted(place: Place) -> Any:
    model = tiny_models.llama()
    model.get_output_embeddings()._forward_hooks.clear()
    shared = tuple(range(5, 15))
    return search(
        [CausalModel(place(model), "digest", "llama").build_scorer([(*shared, 20, 21), (*shared, 22)])], BEAM
    )


def forced(place: Place, combine: Combiner | None = None, sentences: int = 3) -> Any:
    members = marians(place, 1 if combine is None else 2, sentences)
    return force_decode(members, REFERENCES[:sentences], combiner=combine)


def here(value: Any) -> Any:
    """As a :data:`Place`: the CPU, where a search may have members beside those on a device."""
    return value


def apart(place: Place, config: SearchConfig, combine: Combiner, *, first: bool = True) -> Any:
    """Members on a device and on the CPU."""
    inputs = tiny_models.sources(tiny_models.marian(), 3)
    places = (place, here) if first else (here, place)
    members = [seq2seq(at, seed=seed).build_scorer(**at(inputs)) for seed, at in enumerate(places)]
    return search(members, config, combiner=combine)


def forced_apart(place: Place) -> Any:
    inputs = tiny_models.sources(tiny_models.marian(), 3)
    members = [seq2seq(at, seed=seed).build_scorer(**at(inputs)) for seed, at in enumerate((place, here))]
    return force_decode(members, REFERENCES, combiner=HALVES)


def mixed(place: Place, combine: Combiner, n: int, config: SearchConfig, sentences: int = 3) -> Any:
    return search(marians(place, n, sentences), config, combiner=combine)


def gate(top_k: int | None = None, seed: int = 1) -> SoftmaxGate:
    width = 2 * N_FEATURES + 1
    matrix = torch.randn(2, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    zeros = partial(torch.zeros, dtype=torch.float64)
    return SoftmaxGate(matrix, zeros(2), zeros(width), zeros(width) + 1, top_k)


def drafted(place: Place, n: int) -> Any:
    """Greedy search with a draft model; starts differ by row, as those of a translation that goes on."""
    inputs = place(tiny_models.sources(tiny_models.marian(), 3))
    start = torch.tensor([[59, 7], [59, 9], [59, 8]])
    *targets, draft = (seq2seq(place, seed=seed).build_scorer(start=start, **inputs) for seed in range(n + 1))
    combiner = LinearInterpolation((1 / n,) * n) if n > 1 else None
    config = SearchConfig(beam_size=1, max_new_tokens=9)
    return search(targets, config, combiner=combiner, guidance=Guidance(draft=Draft(draft, 3)))


def thinned(place: Place) -> Any:
    model = tiny_models.marian()
    model.get_output_embeddings()._forward_hooks.clear()
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.2
    member = Seq2SeqModel(place(model), "digest", "thinned").build_scorer(
        **place(tiny_models.sources(model, 3))
    )
    return search([DropoutScorer(member, 1, keys=[1, 2, 3])], BEAM)


def mapped(place: Place, share: Callable[[Sequence[Lexicon]], SharedVocabulary]) -> Any:
    ready = [seq2seq(place, vocabulary=size, seed=seed) for seed, size in enumerate((60, 50))]
    lexicons = [
        Lexicon(r.vocabulary, ("<eos>", *(f"▁w{i + shift}" for i in range(1, size - 1)), "<pad>"), None)
        for r, size, shift in zip(ready, (60, 50), (0, 5), strict=True)
    ]
    shared = share(lexicons)
    source = {k: v.clamp(max=48) for k, v in tiny_models.sources(tiny_models.marian(), 3).items()}
    members = [
        shared.map_scorer(r.build_scorer(**place(source)), n, lexicon)
        for n, (r, lexicon) in enumerate(zip(ready, lexicons, strict=True))
    ]
    forbidden = [
        token_constraints.suppress([1, 2]),
        token_constraints.force_last(shared.lexicon.vocabulary.eos),
    ]
    return search(members, BEAM, combiner=LinearInterpolation((0.5, 0.5)), logits_processors=forbidden)


def learned(place: Place, what: str) -> Any:
    output = collect_log_probs(
        marians(place, 3 if what == "strength" else 2), REFERENCES, distributions=what != "linear"
    )
    if what == "gate":
        return fit_gate(output, "linear").token_log_probs(output)
    if what == "strength":
        return likelihood_by_strength(output)
    return fit_constants(output, what).weights  # type: ignore[arg-type]


PROMPTS = torch.tensor([[50258, 50259, 50359], [50258, 50261, 50359]])


def windows() -> Tensor:
    sound = mels(2)
    sound[0, :, 700:] = sound[1, :, 500:] = 0
    return sound


def whisper(
    place: Place, config: SearchConfig, frames: int = 3000, stride: int = 4, n: int = 2, times: bool = False
) -> Any:
    engine = OpenAIWhisperBackend(place(tiny()), "float32", frames, stride)
    sound = engine.encode(place(windows()[:n]))
    spans = [700, 500][:n] if times else None
    decoded = engine.decode(sound, DecodingRequest(PROMPTS[:n], config, True, [0, 1][:n], spans))
    return engine.detect_languages(sound), decoded


def half_whisper(place: Place, dtype: torch.dtype) -> Any:
    """How many candidates: in half precision their scores depend on the order of sums."""
    model = tiny()
    for module in model.modules():
        if not isinstance(module, LayerNorm):
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                tensor.data = tensor.data.to(dtype) if tensor.is_floating_point() else tensor.data
    engine = OpenAIWhisperBackend(place(model), "float32", 800, 1)
    decoded = engine.decode(
        engine.encode(place(windows()[:, :, :800])), DecodingRequest(PROMPTS, BEAM, True, [0, 1])
    )
    return [len(result.candidates) for result in decoded]


def heard_by_ctc(place: Place) -> Any:
    settings = HeadSettings(("a", "b", "c"), "en", 1.0, 2, 32, 16, 3)
    torch.manual_seed(0)
    head = place(settings.build_head().eval())
    model = SpeechCtcModel(WhisperEncoder(place(tiny())), head, settings)
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    return prefix_beam_search.search(model.score_frames(samples), model.vocabulary.blank, 4, 3)


def whispers(place: Place, combination: Any, second: Place | None = None) -> Any:
    places = {"a": place, "b": second or place}
    engine = WhisperEnsemble(
        {name: OpenAIWhisperBackend(at(tiny(ord(name)))) for name, at in places.items()}, combination
    )
    sound = engine.encode(place(windows()[:, :, :3000]))
    return engine.detect_languages(sound), engine.decode(
        sound, DecodingRequest(PROMPTS, GREEDY, True, [0, 1])
    )


def hub_whisper(place: Place) -> Any:
    torch.manual_seed(0)
    halves = {f"{half}_{what}": n for half in ("encoder", "decoder") for what, n in _HALF.items()}
    model = WhisperForConditionalGeneration(
        WhisperConfig(vocab_size=51865, d_model=16, max_target_positions=64, **halves)
    )
    engine = TransformersWhisperBackend(place(model.eval()), "hub")
    sound = engine.encode(place(windows()))
    return engine.detect_languages(sound), engine.decode(sound, DecodingRequest(PROMPTS, BEAM, True, [0, 1]))


_HALF = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
TEXT, KEPT = torch.tensor([[3, 4, 5, 0], [6, 2, 0, 11]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


def deliberated(place: Place, drafts: Any = None) -> Any:
    ready = DeliberationModel(place(deliberation()), "digest", "deliberation")
    ready.first.positions = LENGTH  # its first pass knows no other limit
    options = {} if drafts is None else {"drafts": drafts}
    return search([ready.build_scorer(input_ids=place(TEXT), attention_mask=place(KEPT), **options)], BEAM)


def diffused(place: Place, choice: Any) -> Any:
    ready = EditDiffusionModel(place(diffusion()), "digest", "diffusion", choice=choice)
    return ready.denoise((place(TEXT), place(KEPT)), [(3, 4, 5), (6,)], 1, GREEDY)


class _Letters:
    """A tokenizer."""

    bos_token_id, eos_token_id = None, 1

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [5 + ord(letter) % 50 for letter in text]}


def language_model(place: Place) -> Any:
    model = tiny_models.llama()
    model.get_output_embeddings()._forward_hooks.clear()
    return CausalLanguageModel(place(model), _Letters(), "llama").score(["abc", "de"])


def experts(place: Place, dtype: torch.dtype, bias: bool, masked: bool, width: int = 16) -> Any:
    torch.manual_seed(0)
    block = (
        MoEBlock(Router(width, 4, 2), GroupedExperts(4, width, 32, gated=not bias, bias=bias))
        .to(dtype)
        .eval()
    )
    x = torch.randn(2, 5, width).to(dtype)
    place(block)
    if masked:
        block.positions = place(torch.tensor([0, 1, 2, 3, 4, 5, 6, 7]))
    return block(place(x)).float()


def routed_in_training(place: Place, balance: Any) -> Any:
    torch.manual_seed(0)
    block = place(MoEBlock(Router(16, 4, 2, noisy=True), GroupedExperts(4, 16, 32), capacity=0.75)).train()
    seen: list[Any] = []
    block.recorder = seen.append
    output = block(place(torch.randn(2, 9, 16)))
    return (output, seen[0].plan.n_calls, total_loss([seen[0].routing], balance, 0.1, 0.01))


def watched_experts(place: Place) -> Any:
    model = place(upcycle([sparse_marian()], experts=4, top_k=2))
    counters = routing_stats.empty_stats_of(model, ["de", "fr"])
    records = list(routing_stats.observe_routing(model, Tokenizer(), SAMPLES, counters, batch_size=2))
    return records, torch.from_numpy(likelihoods_of(model, Tokenizer(), SAMPLES))


def pruned(place: Place, pattern: str) -> Any:
    return mask_by_magnitude(place(torch.randn(64, 64, generator=torch.Generator().manual_seed(0))), pattern)


def training_loss(place: Place) -> Any:
    torch.manual_seed(0)
    model = place(build_marian(TrainingConfig(num_layers=1, d_model=16, ffn_dim=16, num_heads=2), 60).train())
    examples = [batches.Example((5, 6, 7, 0), (8, 9, 0)), batches.Example((5, 0), (8, 9, 10, 0))]
    return cross_entropy.label_smoothing_loss(model, batches.collate(examples, 59).to(model.device), 0.1)


HALVES = LinearInterpolation((0.5, 0.5))
MIXTURES: dict[str, Callable[..., Any]] = {
    "forced, linear": partial(forced, combine=HALVES),
    "linear, greedy": partial(mixed, combine=HALVES, n=2, config=GREEDY),
    "linear, beam": partial(mixed, combine=HALVES, n=2, config=BEAM),
    "linear, samples": partial(mixed, combine=HALVES, n=2, config=DRAWN),
    "log-linear, beam": partial(mixed, combine=LogLinearInterpolation((0.7, 0.6)), n=2, config=BEAM),
    "negative evidence": partial(mixed, combine=NegativeEvidence(0.3, 0.1), n=3, config=BEAM),
    "negative evidence, after": partial(mixed, combine=NegativeEvidence(0.3, 0.1, "after"), n=3, config=BEAM),
    "forced, gate": partial(forced, combine=LinearInterpolation(gate())),
}
CASES: dict[str, Callable[[Place], Any]] = {
    **{f"{name}, its rules, beam": partial(one, name=name, config=BEAM) for name in tiny_models.SEQ2SEQ},
    "marian, greedy": partial(one, name="marian", config=GREEDY),
    "marian, samples": partial(one, name="marian", config=DRAWN),
    "marian, samples cut, entropies": partial(one, name="marian", config=CUT),
    "marian, past the first look, entropies": partial(one, name="marian", config=LONG),
    "llama, a shared prefix": prompted,
    "forced": forced,
    **{
        name + (", one sentence" if sentences == 1 else ""): partial(case, sentences=sentences)
        for name, case in MIXTURES.items()
        for sentences in (1, 3)
    },
    **{
        f"gate {top_k or 'of all'}, {'beam' if config is BEAM else 'greedy'}, {n} sentences": partial(
            mixed, combine=LinearInterpolation(gate(top_k)), n=2, config=config, sentences=n
        )
        for top_k in (None, 1)
        for config in (GREEDY, BEAM)
        for n in (1, 3)
    },
    "a draft model": partial(drafted, n=1),
    "a draft model for two": partial(drafted, n=2),
    "dropout": thinned,
    "a member on the CPU, beam": partial(apart, config=LONG, combine=HALVES),
    "a member on the CPU, gate": partial(apart, config=BEAM, combine=LinearInterpolation(gate(1))),
    "a member on the device, beam": partial(apart, config=LONG, combine=HALVES, first=False),
    "forced, a member on the CPU": forced_apart,
    "mapped, intersection": partial(mapped, share=intersect_vocabularies),
    "mapped, union": partial(mapped, share=unite_vocabularies),
    **{
        f"learned {what}": partial(learned, what=what)
        for what in ("linear", "log_linear", "gate", "strength")
    },
    "whisper, greedy": partial(whisper, config=GREEDY),
    "whisper, beam": partial(whisper, config=BEAM),
    "whisper, every position": partial(whisper, config=GREEDY, stride=1),
    "whisper, short window": partial(whisper, config=GREEDY, frames=800),
    "whisper, samples": partial(whisper, config=DRAWN, frames=800),
    "whisper, one window, times of words": partial(whisper, config=BEAM, n=1, times=True),
    "whisper, times of words": partial(whisper, config=LONG, times=True),
    **{f"whisper, {dtype}": partial(half_whisper, dtype=dtype) for dtype in (torch.float16, torch.bfloat16)},
    "ctc": heard_by_ctc,
    "whispers, linear": partial(whispers, combination="linear"),
    "whispers, log-linear": partial(whispers, combination="log_linear"),
    "whispers, one on the CPU": partial(whispers, combination="linear", second=here),
    **{
        f"experts, {dtype}, {'bias' if bias else 'gated'}, {'masked' if masked else 'whole'}": partial(
            experts, dtype=dtype, bias=bias, masked=masked
        )
        for dtype in (torch.float32, torch.bfloat16)
        for bias in (False, True)
        for masked in (False, True)
    },
    "experts, rows of 24 bytes": partial(experts, dtype=torch.bfloat16, bias=False, masked=False, width=12),
    **{f"routed in training, {name}": partial(routed_in_training, balance=name) for name in BALANCE_LOSSES},
    "telemetry and likelihoods of experts": watched_experts,
    **{f"pruned, {pattern}": partial(pruned, pattern=pattern) for pattern in ("2:4", "block", "single")},
    "whisper of the hub": hub_whisper,
    "deliberation": deliberated,
    "deliberation on drafts": partial(deliberated, drafts=[(5, 6, 0), (7, 0)]),
    **{f"diffusion, {choice}": partial(diffused, choice=choice) for choice in ("expected", "most")},
    "language model": language_model,
    "training loss": training_loss,
}


def same(found: Any, wanted: Any) -> None:
    """Equal, with floats as nearly so as float32 allows in another order of sums."""
    if isinstance(wanted, Tensor):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    elif is_dataclass(wanted):
        for field in fields(wanted):
            same(getattr(found, field.name), getattr(wanted, field.name))
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for one_, other in zip(found, wanted, strict=True):
            same(one_, other)
    else:
        is_near = isinstance(wanted, (float, dict))
        assert found == (pytest.approx(wanted, rel=1e-3, abs=1e-3) if is_near else wanted)


@pytest.mark.parametrize("name", CASES)
def test_a_component_on_the_device_gives_what_it_gives_on_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch, graphs: str = "off"
) -> None:
    with torch.no_grad():
        expected = CASES[name](here)
    monkeypatch.setenv(CUDA_GRAPHS, graphs)
    with strict_device(monkeypatch):
        result = CASES[name](on_device)
    same(on_cpu(result), expected)


FIXED = [
    *("marian, past the first look, entropies", "linear, beam, one sentence", "gate 1, greedy, 3 sentences"),
    "whisper, samples",
]
"""Cases whose steps may have fixed shapes."""


@pytest.mark.parametrize("name", FIXED)
def test_steps_of_fixed_shapes_on_the_device_give_what_the_cpu_gives(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_a_component_on_the_device_gives_what_it_gives_on_the_cpu(name, monkeypatch, graphs="eager")


@pytest.mark.gpu
@pytest.mark.parametrize("name", FIXED)
def test_recorded_steps_on_a_card_give_what_the_cpu_gives(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(CUDA_GRAPHS, "on")
    with torch.no_grad():
        result = CASES[name](on_card)
        same(on_cpu(result), CASES[name](lambda value: value))
    assert not [record for record in caplog.records if record.name == "antiphon.graphs"]


@pytest.mark.parametrize("name", ["whisper, beam", "whisper, one window, times of words"])
def test_counts_of_padding_are_part_of_the_keys_in_half_precision(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, so that texts can be compared; no attention to the encoder's states has a mask then."""
    with torch.no_grad():
        expected = CASES[name](lambda value: value)
    masks: list[Any] = []
    plain = functional.scaled_dot_product_attention

    def attention(*args: Any, attn_mask: Any = None, **options: Any) -> Tensor:
        masks.append(attn_mask)
        return plain(*args, attn_mask=attn_mask, **options)

    for module in (encoder, openai_whisper):
        monkeypatch.setattr(module, "prefers_folding", lambda tensor: True)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    with strict_device(monkeypatch):
        result = CASES[name](on_device)
    same(on_cpu(result), expected)
    assert masks and all(mask is None or mask.dtype == torch.bool for mask in masks)  # those of ancestors


@pytest.mark.parametrize("name", ["linear, greedy, one sentence", "experts, torch.float32, bias, masked"])
def test_a_card_on_which_triton_does_not_run_gives_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with torch.no_grad():
        expected = CASES[name](lambda value: value)
    works = triton_ready._runs
    with strict_device(monkeypatch):
        works.cache_clear()
        monkeypatch.setattr(triton_ready, "_runs", works)  # tries, and finds no card
        result = CASES[name](on_device)
        works.cache_clear()
    same(on_cpu(result), expected)
    assert len([record for record in caplog.records if record.name == "antiphon.kernels"]) <= 1


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_a_component_on_a_card_gives_what_it_gives_on_the_cpu(name: str) -> None:
    with torch.no_grad():
        result = CASES[name](on_card)
        same(on_cpu(result), CASES[name](lambda value: value))


@pytest.mark.parametrize("kind", ["dual", "direct"])
def test_a_stacked_model_on_the_device(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = stacking.stacked(stacking.text_model(tmp_path), kind)
    options = stacking.sources(ready, ["ein rot", "blau hund"], lengths=(7, 3))
    expected = search([StackedScorer(ready, options)], BEAM)
    with strict_device(monkeypatch):
        on_device(ready.model)
        result = search([StackedScorer(ready, options)], BEAM)
    same(on_cpu(result), expected)


def test_what_cuda_refuses_and_lets_pass(device: StrictDevice) -> None:
    here, there = torch.arange(6.0).view(2, 3), torch.arange(6.0, device="cuda").view(2, 3)
    rows = torch.tensor([1], device="cuda:0")
    refused: list[Callable[[], object]] = [
        lambda: here + there,
        lambda: torch.cat([there, here]),
        lambda: here[rows],
        lambda: here.index_put_((torch.tensor([1]),), there[0]),
        lambda: there.index_put_((rows,), here[0]),
        lambda: torch.zeros(4, dtype=torch.long).scatter(0, rows, 1),
        lambda: there.numpy(),
    ]
    for refuse in refused:
        with pytest.raises(StrictDeviceError):
            refuse()
    there[[0]] = 1.0
    there[rows, 1:] = torch.tensor(7.0)
    assert there.device == torch.device("cuda", 0)
    assert (there[torch.tensor([1])] + torch.tensor(1.0)).tolist() == [[4.0, 8.0, 8.0]]
    assert there.cpu().numpy().sum() == 20.0
    assert not bool((there == 0).any())
    here.copy_(there)
    assert here.tolist() == there.tolist()
    assert there.new_tensor([2, 3]).device == there.device


class EventDouble:
    """A CUDA event of a build of torch that has none: every product takes the same time."""

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, other: EventDouble) -> float:
        return 1.0


def test_only_shapes_that_the_two_of_four_kernels_take_are_given_to_them(
    device: StrictDevice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    suits = on_device(torch.zeros(32, 64, dtype=torch.float16))
    monkeypatch.setattr(torch.backends.cusparselt, "is_available", lambda: False)
    assert "cuSPARSELt" in (semi_structured_obstacle(suits) or "")
    monkeypatch.setattr(torch.backends.cusparselt, "is_available", lambda: True)
    assert semi_structured_obstacle(suits) is None
    monkeypatch.setattr(torch.cuda, "Event", EventDouble)
    layer = on_device(nn.Sequential(nn.Linear(32, 3, dtype=torch.float16)))
    layouts = measure_layouts(find_layers(layer, "2:4"), "2:4", rows=16)
    assert [layout for layout, _ in layouts.values()] == ["dense"]
    assert "they need multiples of 16 x 16, found 3 x 32" in caplog.text
