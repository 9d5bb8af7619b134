"""Loading refuses what transformers would let pass, by the tensor's name."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from components.decoding.models.causal import CausalModel
from components.errors import ModelError
from components.models import resolve
from components.models.checkpoints import checkpoint_of, count_stored_parameters, read_header
from components.models.conversion import whisper
from components.models.loaders import loading
from components.models.loaders.loading import load_transformers
from components.models.loaders.whisper_loading import load_whisper
from components.models.tensor_checks import refuse_report
from components.models.tokenizer_files import missing_tokenizer_files
from components.models.weights import count_parameters
from components.records import Checkpoint
from components.translation.backends.searched import load_packed
from tests.components.decoding import tiny_models
from tests.components.models.whisper_binary import DIMS, tiny_whisper

LAYER = "model.layers.1.mlp.up_proj.weight"
FC = "model.encoder.layers.0.fc1.weight"
Change = Callable[[dict[str, Tensor]], object]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "b": 1}, "a")))


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=17, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "m")
    tiny_tokenizer().save_pretrained(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    (tmp_path / "w").mkdir()
    model = tiny_whisper()
    whisper.write_folder(tmp_path / "w", model.state_dict(), DIMS, torch.float32, [[0, 0]])
    return tmp_path / "w"


def test_a_tokenizer_that_is_not_there_is_named(causal: Path, tmp_path: Path) -> None:
    (causal / "tokenizer.json").unlink()
    with pytest.raises(
        ModelError, match=rf"^{causal}: expected a tokenizer beside the weights in .*, found no "
    ):
        load_transformers(checkpoint_of(causal, str(causal)), "causal")
    (causal / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    assert not missing_tokenizer_files(causal)  # its tokens are the bytes


def test_a_tokenizer_of_another_model_is_refused(causal: Path) -> None:
    """Else the first text with such a token ends in a traceback, or in another word."""
    path = causal / "tokenizer.json"
    values = json.loads(path.read_text())
    padding = {"id": 17, "content": "<pad>", "single_word": False, "lstrip": False, "rstrip": False}
    values["added_tokens"] = [{**padding, "normalized": False, "special": True}]
    path.write_text(json.dumps(values))
    load_transformers(checkpoint_of(causal, "m"), "causal")  # as published: nothing is read as padding
    values["model"]["vocab"]["b"] = 1_000_000
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"^m: expected tokens from 0 to 16, .* found 1000000 for 'b' in"):
        load_transformers(checkpoint_of(causal, "m"), "causal")


def edit(folder: Path, change: Change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def poison(name: str, value: float) -> Change:
    return lambda tensors: tensors[name].view(-1)[3:4].fill_(value)


FAULTS = [
    (lambda t, n: t.pop(n), r"expected tensor {name}.*found none"),
    (lambda t, n: t.update({"model.surprise": torch.ones(2)}), r"found tensor model\.surprise"),
    (lambda t, n: t.update({n: torch.ones(3, 5)}), r"expected tensor {name} \[.*found \[3, 5\]"),
    (lambda t, n: poison(n, float("nan"))(t), r"tensor {name} has 1 values that are not finite"),
    (lambda t, n: poison(n, float("inf"))(t), r"tensor {name} has 1 values that are not finite"),
    (lambda t, n: t.update({n: t[n].long()}), r"expected floating-point numbers in tensor {name}, found I64"),
]


@pytest.mark.parametrize(("family", "name"), [("causal", LAYER), ("speech", FC)])
@pytest.mark.parametrize(("fault", "message"), FAULTS)
def test_faulty_weights_are_refused_by_name(
    family: str, name: str, fault: Callable, message: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    edit(folder, lambda tensors: fault(tensors, name))
    checkpoint = checkpoint_of(folder, "test")
    with pytest.raises(ModelError, match=message.format(name=name)) as caught:
        load_whisper(checkpoint) if family == "speech" else load_transformers(checkpoint, "causal")
    assert "\n" not in str(caught.value)


def test_values_too_large_for_half_precision_are_refused(speech: Path) -> None:
    edit(speech, poison(FC, 1e6))
    assert load_whisper(checkpoint_of(speech, "test"))
    with pytest.raises(ModelError, match=r"float16"):
        load_whisper(checkpoint_of(speech, "test"), "cpu", "float16")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_whisper_computes_in_each_type(speech: Path, dtype: str) -> None:
    expected = tiny_whisper()
    model = load_whisper(checkpoint_of(speech, "test"), "cpu", dtype)
    mel, tokens = torch.randn(1, 8, 12), torch.tensor([[50257, 5, 9]])
    with torch.no_grad():
        types = model(mel.to(model.encoder.conv1.weight.dtype), tokens)
        assert not model.training and model.encoder.conv1.weight.dtype == getattr(torch, dtype)
        truth = expected(mel, tokens)
        error = ((types - truth).norm() / truth.norm()).item()
        assert error <= {"float32": 0, "float16": 0.005, "bfloat16": 0.04}[dtype]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_layer_norms_are_not_rounded(speech: Path, dtype: str) -> None:
    name = "model.encoder.layer_norm.weight"
    odd = torch.linspace(0.9, 1.1, 64)
    edit(speech, lambda tensors: tensors[name].copy_(odd))
    norm = load_whisper(checkpoint_of(speech, "test"), "cpu", dtype).encoder.ln_post
    assert torch.equal(norm.weight, odd)


def quantize(folder: Path, **configuration: object) -> None:
    """Make the checkpoint of a linear layer one of float8, with scales, as published."""
    weights = load_file(folder / "model.safetensors")
    tensors = {n: t.to(torch.float8_e4m3fn if "_proj" in n else torch.bfloat16) for n, t in weights.items()}
    tensors |= {f"{n}_scale_inv": torch.ones(1, 1) for n in weights if "_proj" in n}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    values = json.loads((folder / "config.json").read_text())
    settings = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    (folder / "config.json").write_text(
        json.dumps({**values, "dtype": "bfloat16", "quantization_config": {**settings, **configuration}})
    )


def test_a_quantized_model_keeps_the_types_it_was_made_for(causal: Path) -> None:
    tokens = torch.tensor([[1, 2, 3]])
    plain, _ = load_transformers(checkpoint_of(causal, "test"), "causal")
    quantize(causal)
    model, _ = load_transformers(checkpoint_of(causal, "test"), "causal", "cpu", "float32")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}  # as transformers unpacks it on a CPU
    torch.testing.assert_close(model(tokens).logits.float(), plain(tokens).logits, atol=0.02, rtol=0)
    ready, _ = load_packed(checkpoint_of(causal, "test"), "cpu", "float32", "causal", CausalModel)
    assert {p.dtype for p in ready.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_a_quantized_model_is_neither_moved_nor_summed(
    causal: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """As on a GPU, where weights stay packed: bitsandbytes refuses ``to``, and float8 has no sum."""
    quantize(causal)
    load_options: dict[str, object] = {}

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            packed = torch.full((2, 2), value).to(torch.float8_e4m3fn)
            self.weight = nn.Parameter(packed, requires_grad=False)
            self.codes = nn.Parameter(torch.zeros(2, dtype=torch.uint8), requires_grad=False)

        def to(self, *args: object, **kwargs: object) -> Packed:
            raise ValueError("`.to` is not supported for quantized models")

        @classmethod
        def from_pretrained(cls, path: str, **kwargs: object) -> tuple[Packed, dict[str, list[str]]]:
            load_options.update(kwargs)
            return cls(), {"mismatched_keys": [], "missing_keys": [], "unexpected_keys": []}

    monkeypatch.setitem(loading.AUTO_CLASSES, "causal", (Packed, loading.AUTO_CLASSES["causal"][1]))
    checkpoint = checkpoint_of(causal, "test")
    if value == 1.0:
        load_transformers(checkpoint, "causal", "cpu", "float32")
        assert (load_options["dtype"], load_options["device_map"]) == ("auto", {"": torch.device("cpu")})
    else:
        with pytest.raises(ModelError, match="tensor weight has 4 values that are not finite"):
            load_transformers(checkpoint, "causal")


@pytest.mark.parametrize("load", [lambda c: load_whisper(c), lambda c: load_transformers(c, "speech")])
def test_a_device_without_room_is_named(
    speech: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[[Checkpoint], object]
) -> None:
    def to(self: nn.Module, *args: object) -> nn.Module:
        if args == (torch.device("cpu"),):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self

    monkeypatch.setattr(nn.Module, "to", to)
    with pytest.raises(ModelError, match=r"room for 0\.0 GiB of weights on cpu, found less \(CUDA"):
        load(checkpoint_of(speech, "test"))


NAMES = ("config.json", "generation_config.json", "tokenizer.json", "vocab.json", "source.spm", "any.model")


@pytest.mark.parametrize("name", NAMES)
def test_pipes_devices_and_files_without_end_are_refused(causal: Path, name: str) -> None:
    (causal / name).unlink(missing_ok=True)
    makers: list[Callable[[Path], object]] = [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: (path.touch(), os.truncate(path, 2**36)),
    ]
    for make in makers:
        make(causal / name)
        with pytest.raises(ModelError, match=rf"{name}: expected (a regular file|at most 64 MiB)"):
            checkpoint_of(causal, "test")
        (causal / name).unlink()


def test_a_single_file_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    for name in ("m.gguf", "m.safetensors", "m.pt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(ModelError, match=rf"{name}: expected a regular file"):
            resolve(str(tmp_path / name))


def configure(folder: Path, name: str, values: dict[str, object]) -> None:
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("config.json", {"num_hidden_layers": 10**6}, "at most 200 for num_hidden_layers, found 1,000,000"),
        ("config.json", {"text_config": {"n_layer": 201}}, "at most 200 for text_config.n_layer, found 201"),
        ("config.json", {"num_local_experts": 10**6}, "at most 4096 for num_local_experts"),
        ("config.json", {"rms_norm_eps": float("nan")}, "a finite number for rms_norm_eps, found nan"),
        ("config.json", {"rope_theta": float("inf")}, "a finite number for rope_theta, found inf"),
        ("config.json", {"time_step_limit": [0.0, float("nan")]}, "a finite number for time_step_limit"),
        ("config.json", {"eos_token_id": 17}, "a token id from 0 to 16 for eos_token_id, found 17"),
        ("config.json", {"pad_token_id": -2}, "for pad_token_id, found -2"),
        ("config.json", {"bos_token_id": "one"}, "for bos_token_id, found 'one'"),
        ("generation_config.json", {"eos_token_id": [1, 99]}, "for eos_token_id, found 99"),
        ("generation_config.json", {"decoder_start_token_id": -1}, "for decoder_start_token_id, found -1"),
        ("generation_config.json", {"temperature": float("nan")}, "a finite number for temperature"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(
    causal: Path, name: str, values: dict[str, object], message: str
) -> None:
    configure(causal, name, values)
    with pytest.raises(ModelError, match=rf"{name}: expected .*{message}") as caught:
        checkpoint_of(causal, "test")
    assert "\n" not in str(caught.value)


def test_odd_values_of_published_models_pass(causal: Path) -> None:
    configure(causal, "config.json", {"pad_token_id": -1, "time_step_limit": [0.0, float("inf")]})
    assert checkpoint_of(causal, "test")


def test_tied_output_layer_in_the_file_is_accepted(speech: Path) -> None:
    edit(speech, lambda t: t.update({"proj_out.weight": t["model.decoder.embed_tokens.weight"].clone()}))
    load_whisper(checkpoint_of(speech, "test"))
    edit(speech, lambda t: t["proj_out.weight"].mul_(2))
    with pytest.raises(ModelError, match=r"proj_out.weight equal to the embedding.*backend: transformers"):
        load_whisper(checkpoint_of(speech, "test"))


def test_another_activation_is_refused_where_it_is_not_computed(speech: Path) -> None:
    configure(speech, "config.json", {"activation_function": "relu"})
    with pytest.raises(ModelError, match=r"expected activation_function gelu.*backend: transformers"):
        load_whisper(checkpoint_of(speech, "test"))


def test_good_model_loads_with_all_its_parameters(causal: Path) -> None:
    model, tokenizer = load_transformers(checkpoint_of(causal, "test"), "causal", "cpu", torch.bfloat16)
    assert not model.training and model.dtype == torch.bfloat16 and len(tokenizer) == 2
    assert count_stored_parameters(causal) == count_parameters(model)


@pytest.mark.parametrize(
    ("network", "stored", "loaded"),
    [
        ("llama", torch.bfloat16, torch.bfloat16),
        ("llama", torch.float16, torch.float16),
        ("llama", torch.float32, torch.float32),
        ("gemma2", torch.bfloat16, torch.float32),  # it computes a scale of embeddings
        ("marian", torch.bfloat16, torch.float32),  # it computes positions
    ],
)
def test_what_is_packed_keeps_its_16_bits_where_nothing_else_is_rounded(
    tmp_path: Path, network: str, stored: torch.dtype, loaded: torch.dtype
) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 17, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    causal = AutoConfig.for_model(network, **sizes, num_attention_heads=2, num_key_value_heads=2, head_dim=8)
    is_causal = network != "marian"
    model = AutoModelForCausalLM.from_config(causal) if is_causal else tiny_models.marian()
    model.to(stored).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    checkpoint, kind = checkpoint_of(tmp_path, "tiny"), "causal" if is_causal else "seq2seq"
    packed, _, is_half = loading.load_to_pack(checkpoint, kind)
    plain, _ = load_transformers(checkpoint, kind)
    assert packed.get_input_embeddings().weight.dtype == loaded
    assert is_half == (loaded != torch.float32)
    packed.float()
    for ours, theirs in (
        (packed.named_parameters(), plain.named_parameters()),
        (packed.named_buffers(), plain.named_buffers()),
    ):
        tensors = dict(theirs)
        assert {name for name, tensor in ours if torch.equal(tensor, tensors[name])} == tensors.keys()
    if is_causal:
        ready, _ = load_packed(checkpoint, "cpu", "float32", "causal", CausalModel)
        assert {tensor.dtype for tensor in ready.model.parameters()} == {torch.float32}
        with torch.inference_mode():
            ours, theirs = (each(torch.tensor([[3, 1, 4]])).logits for each in (ready.model, plain))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_files_changed_after_resolving_are_refused(causal: Path) -> None:
    checkpoint = checkpoint_of(causal, "test")
    edit(causal, poison(LAYER, 0.5))
    with pytest.raises(ModelError, match="weights and configuration changed"):
        load_transformers(checkpoint, "causal")
    checkpoint = checkpoint_of(causal, "test")
    (causal / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer changed"):
        load_transformers(checkpoint, "causal")


def test_another_kind_of_model_is_one_line(causal: Path) -> None:
    with pytest.raises(ModelError, match="cannot load LlamaForCausalLM as seq2seq") as caught:
        load_transformers(checkpoint_of(causal, "test"), "seq2seq")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_code_of_a_model_is_never_run(causal: Path, name: str) -> None:
    values = json.loads((causal / name).read_text())
    (causal / name).write_text(json.dumps({**values, "auto_map": {"AutoModel": "evil.Model"}}))
    (causal / "evil.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ModelError, match=rf"{name}: auto_map asks to run code"):
        checkpoint_of(causal, "test")


def test_pickled_weights_are_refused_and_never_read(causal: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "it ran",))

    (causal / "model.safetensors").unlink()
    (causal / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, a pickle"):
        checkpoint_of(causal, "test")
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", 7, ".."]
)
def test_an_index_never_leaves_its_folder(causal: Path, name: object) -> None:
    (causal / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": {LAYER: name}}
    (causal / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="not safe to follow"):
        checkpoint_of(causal, "test")


def test_shards_load_and_a_missing_one_is_named(causal: Path, tmp_path: Path) -> None:
    model, _ = load_transformers(checkpoint_of(causal, "test"), "causal")
    model.save_pretrained(tmp_path / "s", max_shard_size="4KB")
    tiny_tokenizer().save_pretrained(tmp_path / "s")
    again, _ = load_transformers(checkpoint_of(tmp_path / "s", "test"), "causal")
    shards = sorted((tmp_path / "s").glob("model-*.safetensors"))
    assert len(shards) > 1
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    shards[0].unlink()
    with pytest.raises(ModelError, match=rf"{shards[0].name} is missing"):
        checkpoint_of(tmp_path / "s", "test")
    model.save_pretrained(tmp_path / "s")  # which leaves the index
    assert (tmp_path / "s" / "model.safetensors.index.json").is_file()
    load_transformers(checkpoint_of(tmp_path / "s", "test"), "causal")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\ud800", '{"architectures": 3}'])
def test_bad_configurations_are_one_line(causal: Path, text: str) -> None:
    (causal / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        checkpoint_of(causal, "test")
    assert "\n" not in str(caught.value)


def test_truncated_and_garbage_safetensors_are_refused(speech: Path, causal: Path) -> None:
    path = speech / "model.safetensors"
    content = path.read_bytes()
    for data in (content[:-4], content[:100], content[:4], b"", b"x" * 200, content + b"x"):
        path.write_bytes(data)
        with pytest.raises(ModelError, match="not a complete safetensors file"):
            read_header(path)
        with pytest.raises(ModelError):
            load_whisper(checkpoint_of(speech, "test"))
    (causal / "model.safetensors").write_bytes(b"x" * 200)
    with pytest.raises(ModelError):
        load_transformers(checkpoint_of(causal, "test"), "causal")


@pytest.mark.parametrize("heads", [[[0, 99]], [3], "x", [["a", 0]]])
def test_alignment_heads_that_the_model_does_not_have_are_refused(speech: Path, heads: object) -> None:
    configure(speech, "generation_config.json", {"alignment_heads": heads})
    with pytest.raises(ModelError, match=r"expected alignment_heads as \[layer, head\] pairs, found others"):
        load_whisper(checkpoint_of(speech, "test"))


@pytest.mark.parametrize("table", [{}, [], None])
def test_an_index_of_no_file_is_refused(causal: Path, table: object) -> None:
    (causal / "model.safetensors").unlink()
    (causal / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    with pytest.raises(ModelError, match=r"index.json: expected weight_map with names of files"):
        checkpoint_of(causal, "test")


def test_a_folder_without_a_class_has_its_type_and_a_missing_one_is_named(causal: Path) -> None:
    values = json.loads((causal / "config.json").read_text())
    del values["architectures"]
    (causal / "config.json").write_text(json.dumps(values))
    assert checkpoint_of(causal, "test").architecture == "llama"
    with pytest.raises(ModelError, match=r"test: expected a model folder at .*none, found none"):
        checkpoint_of(causal / "none", "test")


def test_a_model_folder_may_hold_another_librarys_weights_too(causal: Path) -> None:
    (causal / "model.bin").write_bytes(b"of CTranslate2")
    assert resolve(str(causal)).path == str(causal)


def test_a_type_that_safetensors_does_not_know_is_one_line(speech: Path) -> None:
    """Also where the header looks whole."""
    path = speech / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"F32"', b'"F99"', 1))
    assert path.read_bytes() != content
    with pytest.raises(ModelError, match=r"model\.safetensors: not a safetensors file .*; fetch the model"):
        load_whisper(checkpoint_of(speech, "test"))


def test_what_transformers_reports_of_loading_is_told() -> None:
    checkpoint = Checkpoint(reference="test", path="/m", sha256="0" * 64, architecture="Llama")
    report = {"mismatched_keys": [], "missing_keys": [], "unexpected_keys": [], "error_msgs": ["size of x"]}
    with pytest.raises(ModelError, match=r"^test \(/m\): Llama: size of x$"):
        refuse_report(checkpoint, report)
    refuse_report(checkpoint, {**report, "error_msgs": []})
