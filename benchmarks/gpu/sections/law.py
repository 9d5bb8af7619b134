"""The law: a card gives the texts, outputs and losses of the CPU.

References are computed on the CPU in float32 in the same process. ``float32`` on the card is computed without
TF32, ``tf32`` with it, as the project does where float32 is asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from benchmarks.gpu.context import DTYPES, Context, add_switches, switch_on
from benchmarks.gpu.inputs import sample_windows
from benchmarks.gpu.pack import read_pack
from benchmarks.gpu.random_models import make_marian
from benchmarks.gpu.row import Row, Value
from benchmarks.gpu.translations import SYSTEMS, Decoded, Translations
from components.decoding.config import SearchConfig
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router
from components.pruning.masks import mask_by_magnitude
from components.pruning.sparse_linear import SparseLinear, semi_structured_obstacle
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.whisper.backend import DecodingRequest
from components.training.examples import batches
from components.training.loop.cross_entropy import label_smoothing_loss

ARITHMETIC = ("float32", "tf32", "bfloat16", "float16")


def measure(context: Context) -> Iterator[Row]:
    """Translators and their ensembles, a recognizer, sparse layers, and a training."""
    for part in (measure_translation, measure_recognition, measure_layers, measure_training):
        yield from part(context)


@contextmanager
def arithmetic(name: str) -> Iterator[torch.dtype]:
    """The type of weights for a row of :data:`ARITHMETIC`; products of float32 are exact or TF32 in here."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    try:
        yield DTYPES["float32" if name == "tf32" else name]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def measure_translation(context: Context) -> Iterator[Row]:
    """Texts of the packaged translator, alone and mixed, and their scores."""
    limit = context.size(None, 2)
    expected = Translations("cpu", torch.float32, limit)
    references = {name: expected.decode(name) for name in context.size(tuple(SYSTEMS), ("two, gate",))}
    for name in context.size(ARITHMETIC, ("float32",)):
        with arithmetic(name) as dtype:
            translations = Translations(context.device, dtype, limit)
            for system, reference in references.items():
                for switches in ((), ("graphs",)):
                    with switch_on(*switches):
                        values = compare(translations.decode(system), reference)
                    setting: dict[str, Value] = {"dtype": name}
                    yield Row(
                        section="law",
                        system=f"translate, {system}",
                        setting=add_switches(setting, *switches),
                        values=values,
                    )


def compare(decoded: list[Decoded], expected: list[Decoded]) -> dict[str, Value]:
    """How many texts are the same, and the largest difference of their log-probabilities."""
    same = [(d, e) for d, e in zip(decoded, expected, strict=True) if d.tokens == e.tokens]
    difference = max((abs(d.score - e.score) for d, e in same), default=float("inf"))
    return {"equal": len(same), "of": len(expected), **({"difference": difference} if same else {})}


@torch.inference_mode()
def measure_recognition(context: Context) -> Iterator[Row]:
    """Texts of tiny.en, greedy with timestamps, from the packed weights that both machines have."""
    pack = context.pack
    if pack is None:
        return
    windows = sample_windows(context.size(None, 2))

    def recognize(device: str, dtype: torch.dtype) -> list[Decoded]:
        model = read_pack(pack)
        for module in model.modules():
            if not isinstance(module, nn.LayerNorm):
                for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                    tensor.data = tensor.data.to(dtype) if tensor.is_floating_point() else tensor.data
        backend = OpenAIWhisperBackend(model.to(device), "float32", padding_stride=4)
        prompt = backend.dims.get_tokenizer("en", "transcribe").sot_sequence
        decoded = []
        for part in windows.split(8):
            search, prompts = (
                SearchConfig(beam_size=1, max_new_tokens=224),
                torch.tensor([prompt] * len(part)),
            )
            request = DecodingRequest(prompts, search, True, list(range(len(part))))
            results = backend.decode(backend.encode(part), request)
            decoded += [Decoded(r.candidates[0].tokens, r.candidates[0].score) for r in results]
        return decoded

    expected = recognize("cpu", torch.float32)
    for name in context.size(ARITHMETIC, ARITHMETIC[:1]):
        with arithmetic(name) as dtype:
            for switches in ((), ("graphs",)):
                with switch_on(*switches):
                    values = compare(recognize(context.device, dtype), expected)
                setting: dict[str, Value] = {"dtype": name}
                yield Row(
                    section="law",
                    system="recognize, tiny.en, greedy",
                    setting=add_switches(setting, *switches),
                    values=values,
                )


@torch.inference_mode()
def measure_layers(context: Context) -> Iterator[Row]:
    """Outputs of the sparse layer and of 2:4 products, against float64 on the CPU."""
    width = context.size(1024, 64)
    torch.manual_seed(0)
    block = MoEBlock(Router(width, 8, 2), GroupedExperts(8, width, 4 * width, gated=True)).eval()
    weight = torch.randn(width, width) / width**0.5
    weight *= mask_by_magnitude(weight, "2:4")
    x = torch.randn(64, width)
    for name in ("float32", "bfloat16", "float16"):
        with arithmetic(name) as dtype:
            rounded, rows = _copy(block, torch.device("cpu"), dtype), x.to(dtype)
            expected = _copy(rounded, torch.device("cpu"), torch.float64)(rows.double())
            outputs = _copy(rounded, torch.device(context.device), dtype)(rows.to(context.device))
            yield _difference("experts", name, outputs, expected)
            sparse = weight.to(context.device, dtype)
            if semi_structured_obstacle(sparse) is None:
                product = SparseLinear(sparse, None, "semi-structured")(rows.to(context.device))
                yield _difference("2:4 product", name, product, rows.double() @ weight.to(dtype).double().T)


def _copy(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    return copy.deepcopy(module).to(device, dtype)


def _difference(system: str, name: str, outputs: Tensor, expected: Tensor) -> Row:
    relative = float((outputs.double().cpu() - expected).norm() / expected.norm())
    return Row(section="law", system=system, setting={"dtype": name}, values={"relative_error": relative})


def measure_training(context: Context) -> Iterator[Row]:
    """Losses of some steps of AdamW in float32."""
    steps = context.size(20, 3)
    with arithmetic("float32"):
        references, losses = (_train(device, steps) for device in ("cpu", context.device))
    worst = max(abs(a - b) for a, b in zip(losses, references, strict=True))
    setting: dict[str, Value] = {"dtype": "float32", "steps": steps}
    yield Row(section="law", system="training", setting=setting, values={"difference": worst})


def _train(device: str, steps: int) -> list[float]:
    model = make_marian(0, device, torch.float32, width=64, layers=2, vocabulary=500).train()
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0  # masks of a card and of a CPU are other numbers
    numbers = torch.Generator().manual_seed(0)

    def draw() -> tuple[int, ...]:
        return (*torch.randint(1, 498, (12,), generator=numbers).tolist(), 0)

    batch = batches.collate([batches.Example(draw(), draw()) for _ in range(16)], 499).to(
        torch.device(device)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    losses = []
    for _ in range(steps):
        loss, _ = label_smoothing_loss(model, batch, 0.1)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
