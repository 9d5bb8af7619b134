"""What is measured of models on data, and the methods that read it, against plain loops."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from components.errors import ConfigError, MergeError
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import parse_recipe
from components.merging.statistics.data_sets import DataSets
from components.merging.statistics.examples import encode_examples, load_model
from components.merging.statistics.layer_inputs import measure_inputs
from components.merging.statistics.measure import FLOOR, measure_fisher
from components.models import resolve
from tests.components.decoding.tiny_models import llama
from tests.components.merging.model_folders import folder, recipe
from tests.components.models.test_loading import tiny_tokenizer
from tests.components.networks import tiny_networks
from tests.manifests import write_rows

END = 0  # that the network's settings name
SENTENCES = [("a b", "b a a"), ("b", "a"), ("b b a", "a b")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Two tiny translators of one start, and data of each."""
    root = tmp_path_factory.mktemp("models")
    networks = [tiny_networks.base(seed=0, layers=2, vocabulary=6) for _ in range(2)]
    random = torch.Generator().manual_seed(1)
    for name, network in zip("ab", networks, strict=True):
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(torch.randn(weight.shape, generator=random) * 0.1 * weight.requires_grad)
        network.save_pretrained(root / name)
        tokenizer = tiny_tokenizer()
        tokenizer.add_special_tokens({"eos_token": "</s>", "pad_token": "<pad>"})
        tokenizer.save_pretrained(root / name)
        rows = SENTENCES if name == "a" else SENTENCES[:2]
        lines = [
            json.dumps({"id": f"{n}", "text": source, "references": [target], "source_language": "en",
                        "target_language": "de"})
            for n, (source, target) in enumerate(rows)
        ]  # fmt: skip
        (root / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return root, networks


def examples(count: int) -> list[dict[str, Tensor]]:
    tokenizer = tiny_tokenizer()
    pairs = [(tokenizer(s)["input_ids"], [*tokenizer(t)["input_ids"], END]) for s, t in SENTENCES[:count]]
    return [
        {"input_ids": torch.tensor([s]), "attention_mask": torch.ones(1, len(s)), "labels": torch.tensor([t])}
        for s, t in pairs
    ]


def sets(root: Path) -> DataSets:
    return DataSets({str(root / name): str(root / f"{name}.jsonl") for name in "ab"})


def made(method: str, root: Path, out: Path, parameters: str = "{}") -> dict[str, Tensor]:
    text = recipe(method, None, (root / "a", "{weight: 2}"), (root / "b", "{}"), parameters=parameters)
    merge(parse_recipe(text), out, MergeOptions(data=sets(root)))
    return load_file(out / "model.safetensors")


def squares(model: Any, count: int) -> dict[str, Tensor]:
    """Mean squared gradients of log p, token by token from the logits."""
    totals: dict[str, Tensor] = {}
    for example in examples(count):
        scores = model(**example).logits[0].log_softmax(-1)
        log_prob = sum(scores[i, y] for i, y in enumerate(example["labels"][0].tolist()))
        names = [n for n, p in model.named_parameters() if p.requires_grad]
        gradients = torch.autograd.grad(log_prob, [model.get_parameter(n) for n in names])
        for name, gradient in zip(names, gradients, strict=True):
            totals[name] = totals.get(name, 0) + gradient**2 / count
    return totals


def test_fisher_weighs_every_element_by_squared_gradients(
    models: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    root, _ = models
    ours = made("fisher", root, tmp_path / "out")
    networks = [
        load_model(resolve(str(root / name)))[0] for name in "ab"
    ]  # positions are parameters of these
    fishers = [squares(networks[0], 3), squares(networks[1], 2)]
    norms = [sum(float((t**2).sum()) for t in f.values()) ** 0.5 for f in fishers]
    shares = [
        {name: w * (t + FLOOR) / (norm + FLOOR) for name, t in f.items()}
        for w, f, norm in zip((2, 1), fishers, norms, strict=True)
    ]
    weights = [dict(network.named_parameters()) for network in networks]
    for name in ours.keys() & shares[0].keys():
        a, b = (share[name] for share in shares)
        expected = (a * weights[0][name] + b * weights[1][name]) / (a + b)
        torch.testing.assert_close(ours[name], expected.detach(), rtol=1e-3, atol=1e-5)


def test_a_decoder_alone_predicts_all_tokens_but_the_first() -> None:
    """Texts of two and of twelve tokens have the squared gradients of their own log-probabilities."""
    network = llama(seed=1)
    network.get_output_embeddings()._forward_hooks.clear()
    texts = [torch.arange(5, 7)[None], torch.arange(9, 21)[None]]
    expected = torch.zeros_like(network.lm_head.weight)
    for ids in texts:
        scores = network(input_ids=ids).logits[0].log_softmax(-1)
        log_prob = sum(scores[i, token] for i, token in enumerate(ids[0, 1:].tolist()))
        expected += torch.autograd.grad(log_prob, [network.lm_head.weight])[0] ** 2 / 2
    fisher = measure_fisher(network, [{"input_ids": ids, "labels": ids} for ids in texts])["lm_head.weight"]
    ratio = (fisher / (expected + FLOOR)).flatten()
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=0.0)


def inputs_of(model: Any, count: int) -> dict[str, Tensor]:
    """All inputs of each linear layer, one below the other."""
    rows: dict[str, list[Tensor]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".layers." in name:
            rows[name] = []
            module.register_forward_hook(lambda m, x, y, own=rows[name]: own.append(x[0].detach()[0]))
    with torch.no_grad():
        for example in examples(count):
            model(**example)
    for module in model.modules():
        module._forward_hooks.clear()
    return {f"{name}.weight": torch.cat(parts).double() for name, parts in rows.items()}


def regression(matrices: list[Tensor], inputs: list[Tensor], ratio: float) -> Tensor:
    """The published closed form."""
    grams = [w * x.T @ x / len(x) for w, x in zip((2, 1), inputs, strict=True)]
    reduced = [ratio * g + (1 - ratio) * torch.diag(torch.diag(g)) for g in grams]
    total = sum(g @ w.double().T for g, w in zip(reduced, matrices, strict=True))
    return torch.linalg.inv(sum(reduced)) @ total


def test_regmean_solves_the_regression_of_every_layer(models: tuple[Path, list[Any]], tmp_path: Path) -> None:
    root, networks = models
    ours = made("regmean", root, tmp_path / "out", "{reduce_non_diagonal_ratio: 0.7}")
    inputs = [inputs_of(network, count) for network, count in zip(networks, (3, 2), strict=True)]
    weights = [network.state_dict() for network in networks]
    assert len(inputs[0]) == 2 * 6 + 2 * 10
    for name, tensor in ours.items():
        matrices = [state[name] for state in weights]
        if name in inputs[0]:
            expected = regression(matrices, [i[name] for i in inputs], 0.7).T.float()
        else:
            expected = (2 * matrices[0] + matrices[1]) / 3
        torch.testing.assert_close(tensor, expected, rtol=1e-3, atol=1e-5)


def test_regmean_plus_plus_reads_what_merged_layers_give(
    models: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    """The second layer's inputs are those that the first merged layer gives."""
    root, networks = models
    ours = made("regmean_plus_plus", root, tmp_path / "out", "{reduce_non_diagonal_ratio: 0.7}")
    hybrids = [tiny_networks.base(seed=0, layers=2, vocabulary=6) for _ in networks]
    name = "model.decoder.layers.1.fc1.weight"
    layer = "model.decoder.layers.1."
    for hybrid, network in zip(hybrids, networks, strict=True):
        hybrid.load_state_dict(
            {**network.state_dict(), **{k: t for k, t in ours.items() if not k.startswith(layer)}}
        )
        shared = ours["model.shared.weight"]
        with torch.no_grad():
            hybrid.model.shared.weight.copy_(shared)
    inputs = [inputs_of(hybrid, count)[name] for hybrid, count in zip(hybrids, (3, 2), strict=True)]
    expected = regression([n.state_dict()[name] for n in networks], inputs, 0.7).T.float()
    torch.testing.assert_close(ours[name], expected, rtol=1e-3, atol=1e-5)


def test_measured_inputs_are_means_over_positions(models: tuple[Path, list[Any]]) -> None:
    network = models[1][0]
    measured = measure_inputs(network, examples(3))
    for name, rows in inputs_of(network, 3).items():
        torch.testing.assert_close(measured[name], (rows.T @ rows / len(rows)).float())


def test_a_transcript_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    spoken = [("a", "No"), ("b", "There are many more words than the decoder has places")]
    for name, _ in spoken:
        soundfile.write(tmp_path / f"{name}.wav", torch.zeros(1600).numpy(), 16000)
    rows = [{"id": k, "audio": f"{k}.wav", "source_language": "en", "transcript": t} for k, t in spoken]
    data = DataSets({"*": write_rows(tmp_path / "data.jsonl", rows)})
    model = SimpleNamespace(config=SimpleNamespace(vocab_size=51864, max_target_positions=8, num_mel_bins=80))
    whisper: Any = SimpleNamespace(architecture="WhisperForConditionalGeneration")
    assert len(list(encode_examples(whisper, model, None, data, "m"))) == 1


def test_weights_without_gradient_are_left_out(models: tuple[Path, list[Any]]) -> None:
    measured = measure_fisher(models[1][0], examples(1))
    assert not any("embed_positions" in name for name in measured)


def test_data_and_method_must_go_together(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", {"w": torch.ones(2)})
    with pytest.raises(MergeError, match=r"fisher measures the models on data: expected data .* found none"):
        merge(parse_recipe(recipe("fisher", None, (a, "{}"))), tmp_path / "out")
    linear = parse_recipe(recipe("linear", None, (a, "{weight: 1}")))
    with pytest.raises(MergeError, match="linear reads no data; leave data out"):
        merge(linear, tmp_path / "out", MergeOptions(data=DataSets({"*": "x.jsonl"})))
    with pytest.raises(ConfigError, match=r"expected a data set for .*/a, found sets for"):
        merge(
            parse_recipe(recipe("fisher", None, (a, "{}"))),
            tmp_path / "out",
            MergeOptions(data=DataSets({"b": "x"})),
        )
