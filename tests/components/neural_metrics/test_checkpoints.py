"""Checkpoints of metrics: what is read of them, and what is refused in one line."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from components import models
from components.errors import ConfigError, ModelError, TransientError
from components.metrics.table import bind_metric, get_metric, get_model_metric
from components.models.architectures import METRICX
from components.models.checkpoints import VOCABULARIES
from components.models.conversion import metricx
from components.models.licenses import license_notes
from components.models.sources import hub
from tests.components.neural_metrics.tiny import segments

COMMIT = "a" * 40


def test_a_checkpoint_is_converted_once_and_its_digest_is_that_of_its_content(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    lines: list[str] = []
    first = models.resolve(str(tiny_models["comet"]), on_progress=lines.append)
    shutil.copytree(tiny_models["comet"], tmp_path / "elsewhere")
    second = models.resolve(str(tmp_path / "elsewhere"), on_progress=lines.append)
    assert first.path == second.path and first.identity == second.identity
    assert first.architecture == "AntiphonComet"
    assert lines in ([], [f"{first.reference}: converting"])  # another test may have been the first
    other = torch.load(tmp_path / "elsewhere" / "checkpoints" / "model.ckpt", weights_only=True)
    other["state_dict"]["layerwise_attention.gamma"] += 1
    torch.save(other, tmp_path / "elsewhere" / "checkpoints" / "model.ckpt")
    assert models.resolve(str(tmp_path / "elsewhere")).sha256 != first.sha256


def hub_cache(root: Path, repository: str, folder: Path) -> None:
    """The hub client's own layout, with a named revision."""
    repository_folder = root / f"models--{repository.replace('/', '--')}"
    (repository_folder / "refs").mkdir(parents=True)
    (repository_folder / "refs" / "main").write_text(COMMIT)
    shutil.copytree(folder, repository_folder / "snapshots" / COMMIT)


def test_a_repository_of_the_hub_takes_its_tokenizer_from_that_of_its_encoder(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(tiny_models["comet"], published, ignore=shutil.ignore_patterns("encoder"))
    hub_cache(tmp_path / "hub", "Unbabel/wmt22-comet-da", published)
    hub_cache(tmp_path / "hub", "xlm-roberta-large", tiny_models["comet"] / "encoder")
    checkpoint = hub.hub_model("Unbabel/wmt22-comet-da", lambda line: None, cache=tmp_path / "hub")
    assert checkpoint.lineage == (f"hub:Unbabel/wmt22-comet-da@{COMMIT}",)
    local = models.resolve(str(tiny_models["comet"]))
    assert checkpoint.identity == local.identity


def test_a_tokenizer_that_is_nowhere_is_said_in_one_line(
    tiny_models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m", ignore=shutil.ignore_patterns("encoder"))

    def offline(*_: object, **__: object) -> str:
        raise hub.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(hub, "snapshot_download", offline)
    with pytest.raises(
        TransientError, match=r"json of xlm-roberta-large.* in .*/encoder or on the hub"
    ) as caught:
        models.resolve(str(tmp_path / "m"))
    assert "models fetch" not in str(caught.value)  # which takes hub:ORG/NAME, and fetches the weights, too


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run",))


def test_a_pickle_that_would_run_code_is_refused(
    tiny_models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m")
    (tmp_path / "m" / "checkpoints" / "model.ckpt").write_bytes(pickle.dumps({"state_dict": Hostile()}))
    with pytest.raises(ModelError, match="other pickles can run code and are refused"):
        models.resolve(str(tmp_path / "m"), on_progress=lambda line: None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("regression_metric", "ranking_metric", "expected class_identifier as one of regression_metric"),
        ("XLM-RoBERTa", "RemBERT", "expected encoder_model as one of XLM-RoBERTa, .* found 'RemBERT'"),
        ("class_identifier", "class: !!python/object:os.x", "expected YAML of plain values"),
        ("XLM-RoBERTa", "XLM-RoBERTa-XL", "expected model_type xlm-roberta-xl"),
        ("sparsemax", "entmax", "expected layer_transformation as one of softmax, .* found 'entmax'"),
        ("pool: avg", "pool: 3", "expected pool as one of avg, max, cls, default, found 3"),
    ],
)
def test_other_hyperparameters_are_refused(
    old: str, new: str, message: str, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m")
    path = tmp_path / "m" / "hparams.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ModelError, match=message):
        models.resolve(str(tmp_path / "m"), on_progress=lambda line: None)


def test_a_tensor_that_is_missing_is_named(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m")
    path = tmp_path / "m" / "checkpoints" / "model.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["state_dict"]["estimator.ff.0.bias"]
    torch.save(checkpoint, path)
    metric = bind_metric(f"comet:{tmp_path / 'm'}")
    with pytest.raises(ModelError, match=r"expected tensor estimator\.ff\.0\.bias"):
        metric.statistics(metric.select(segments()))


def test_an_activation_that_torch_does_not_have_is_named(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m")
    path = tmp_path / "m" / "hparams.yaml"
    path.write_text(path.read_text().replace("activations: Tanh", "activations: Wiggle"))
    metric = bind_metric(f"comet:{tmp_path / 'm'}")
    with pytest.raises(ModelError, match=r"expected an activation of torch\.nn .* found 'Wiggle'"):
        metric.statistics(metric.select(segments()))


def test_a_metric_and_a_model_that_do_not_belong_together(tiny_models: dict[str, Path]) -> None:
    for text, message in (
        (f"xcomet:{tiny_models['comet']}", "xcomet: expected a model such as hub:Unbabel/XCOMET-XL, found"),
        (f"cometkiwi:{tiny_models['comet']}", r"\(regression_metric\)"),
        (f"metricx:{tiny_models['comet']}", r"\(AntiphonComet\)"),
        ("comet:/nowhere/at/all", "expected a model's file or folder there, found none"),
    ):
        with pytest.raises(ModelError, match=message):
            bind_metric(text)
    with pytest.raises(ConfigError, match="comet: expected the model that computes it, found none"):
        bind_metric("comet")
    with pytest.raises(ConfigError, match="comet: expected the model"):
        get_metric("comet")
    with pytest.raises(ConfigError, match="store:RUN/NODE names one"):
        get_model_metric("comet:node:x")
    assert bind_metric("bleu").name == "bleu"


def test_licences_that_restrict_are_said() -> None:
    (line,) = license_notes(["hub:Unbabel/XCOMET-XL@main", "hub:Unbabel/wmt22-comet-da", "packaged:x"])
    assert "CC BY-NC-SA 4.0" in line and "gated" in line


def test_a_checkpoint_without_tensors_and_an_encoder_without_a_vocabulary_are_refused(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_models["comet"], tmp_path / "m")
    for name in VOCABULARIES:
        (tmp_path / "m" / "encoder" / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"encoder: expected a tokenizer, one of .*, found none"):
        models.resolve(str(tmp_path / "m"), on_progress=str)
    torch.save({"state_dict": {"a": 1}}, tmp_path / "m" / "checkpoints" / "model.ckpt")
    with pytest.raises(ModelError, match=r"model\.ckpt: expected a state_dict of tensors, found"):
        models.resolve(str(tmp_path / "m"), on_progress=str)


def test_shards_of_a_pickled_checkpoint_lie_beside_their_index(tmp_path: Path) -> None:
    for name in ("b.bin", "a.bin"):
        (tmp_path / name).touch()
    index = tmp_path / metricx.BIN_INDEX
    index.write_text(json.dumps({"weight_map": {"x": "b.bin", "y": "a.bin", "z": "b.bin"}}))
    assert metricx.weights_of(tmp_path) == (tmp_path / "a.bin", tmp_path / "b.bin")
    for table, name in (({"x": "../a.bin"}, "'../a.bin'"), ({"x": "c.bin"}, "'c.bin'"), ([], "'no file'")):
        index.write_text(json.dumps({"weight_map": table}))
        with pytest.raises(ModelError, match=f"expected names of files beside it, found {name}"):
            metricx.weights_of(tmp_path)
    index.unlink()
    (tmp_path / "model.safetensors").touch()
    assert metricx.weights_of(tmp_path) == (tmp_path / "model.safetensors",)


def test_metricx_may_have_its_tokenizer_beside_its_weights(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    encoder = tiny_models["comet"] / "encoder"
    shutil.copytree(encoder, tmp_path / "in")
    shutil.copytree(encoder, tmp_path / "beside" / "encoder")
    for folder in (tmp_path / "in", tmp_path / "beside"):
        (folder / "config.json").write_text(json.dumps({"architectures": [METRICX]}))
        torch.save({"shared.weight": torch.ones(2, 2)}, folder / metricx.BIN)
    inside, beside = (models.resolve(str(tmp_path / name), on_progress=str) for name in ("in", "beside"))
    assert inside.identity == beside.identity
    assert not metricx.is_metricx_folder(Path(inside.path))  # converted: nothing is left to convert
