"""Models of several vocabularies: rows of the embeddings follow their tokens."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from components.errors import MergeError
from components.merging.checks import examine, examine_recipe
from components.merging.io.input_models import open_models
from components.merging.recipe.chat_templates import most_common_template
from components.merging.recipe.reader import parse_recipe
from tests.components.merging.model_folders import folder, merged


def word_level_model(path: Path, words: list[str], scale: float, **config: object) -> Path:
    """A model whose row of word n of its own vocabulary is (10 scale + n, scale); and a bias (1, words)."""
    n = len(words)
    rows = torch.stack([torch.arange(n) + 10 * scale, torch.full((n,), scale)], 1)
    tensors = {"model.embed_tokens.weight": rows, "final_logits_bias": torch.arange(float(n)).view(1, n)}
    tokenizer = folder(path, tensors, **{"vocab_size": n, **config})
    vocabulary = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    vocabulary.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=vocabulary, unk_token="<unk>").save_pretrained(tokenizer)
    return tokenizer


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    a = word_level_model(tmp_path / "a", ["<unk>", "hund", "katze"], 1.0)
    return a, word_level_model(tmp_path / "b", ["<unk>", "katze", "maus", "floh"], 3.0)


def text(models: tuple[Path, Path], tokenizer: str, base: bool = False) -> str:
    a, b = models
    lines = [f"models: [{{model: {a}}}, {{model: {b}}}]", "merge_method: linear", "parameters: {weight: 1}"]
    return "\n".join([*lines, tokenizer, *([f"base_model: {a}"] if base else [])])


def by_word(out: Path) -> dict[str, list[float]]:
    rows = load_file(out / "model.safetensors")["model.embed_tokens.weight"].tolist()
    return {w: rows[i] for w, i in AutoTokenizer.from_pretrained(out).get_vocab().items()}


def test_union(models: tuple[Path, Path], tmp_path: Path) -> None:
    out = merged(text(models, "tokenizer_source: union"), tmp_path / "out")
    vocabulary = by_word(tmp_path / "out")
    # <unk> is row 0 of both, katze rows 2 and 1; the others are of one model only, which gives both rows.
    assert vocabulary == {
        "<unk>": [20.0, 2.0], "hund": [11.0, 1.0], "katze": [21.5, 2.0],
        "maus": [32.0, 3.0], "floh": [33.0, 3.0],
    }  # fmt: skip
    assert out["final_logits_bias"].tolist() == [[0.0, 1.0, 1.5, 2.0, 3.0]]
    assert '"vocab_size": 5' in (tmp_path / "out" / "config.json").read_text()


def test_base_and_padding(models: tuple[Path, Path], tmp_path: Path) -> None:
    source = "tokenizer: {source: base, pad_to_multiple_of: 4}"
    out = merged(text(models, source, base=True), tmp_path / "out")
    rows = out["model.embed_tokens.weight"].tolist()
    # hund is unknown to b: it takes the base's row. The fourth row is the mean of the others.
    assert rows[:3] == [[20.0, 2.0], [11.0, 1.0], [21.5, 2.0]]
    assert rows[3] == pytest.approx([(20 + 11 + 21.5) / 3, 5 / 3])


def test_settings_name_the_tokens_of_the_tokenizer_that_the_output_has(tmp_path: Path) -> None:
    both = []
    for name, words in (("a", ["<unk>", "hund", "<pad>"]), ("b", ["<unk>", "<pad>", "katze", "maus"])):
        pad = words.index("<pad>")
        model = word_level_model(tmp_path / name, words, 1.0, pad_token_id=pad, decoder_vocab_size=len(words))
        generation = {"pad_token_id": pad, "bad_words_ids": [[pad]], "num_beams": len(words)}
        (model / "generation_config.json").write_text(json.dumps(generation))
        both.append(model)
    recipe = text((both[0], both[1]), f"tokenizer_source: {both[1]}", base=True)
    assert not [f for f in examine_recipe(parse_recipe(recipe, "x"), None).findings if "pad_token" in f.text]
    merged(recipe, tmp_path / "out")
    config, generation = (
        json.loads((tmp_path / "out" / name).read_text())
        for name in ("config.json", "generation_config.json")
    )
    assert [config[name] for name in ("pad_token_id", "vocab_size", "decoder_vocab_size")] == [1, 4, 4]
    assert generation == {"pad_token_id": 1, "bad_words_ids": [[1]], "num_beams": 3}


def test_tokens_with_a_source_of_their_own(models: tuple[Path, Path], tmp_path: Path) -> None:
    _, b = models
    tokens = f"{{katze: {{source: {{kind: model_token, model: {b}, token: floh}}, force: true}}}}"
    merged(text(models, f"tokenizer: {{source: union, tokens: {tokens}}}"), tmp_path / "out")
    assert by_word(tmp_path / "out")["katze"] == [33.0, 3.0]


def test_tokens_of_zeros_and_by_number(models: tuple[Path, Path], tmp_path: Path) -> None:
    _, b = models
    numbered = f"{{kind: model_token, model: {b}, token_id: 3}}"
    tokens = f"{{neu: {{source: {{kind: zero}}}}, katze: {{source: {numbered}, force: true}}}}"
    merged(text(models, f"tokenizer: {{source: union, tokens: {tokens}}}"), tmp_path / "out")
    rows = by_word(tmp_path / "out")
    assert rows["neu"] == [0.0, 0.0] and rows["katze"] == [33.0, 3.0]


def test_a_token_that_its_source_does_not_have(models: tuple[Path, Path], tmp_path: Path) -> None:
    _, b = models
    tokens = f"{{neu: {{source: {{model: {b}, token: anders}}}}}}"
    with pytest.raises(MergeError, match=r"'neu': expected a token of .*, found 'anders'"):
        merged(text(models, f"tokenizer: {{source: union, tokens: {tokens}}}"), tmp_path / "out")


def test_the_doctor_compares_the_numbers_of_tokens(models: tuple[Path, Path]) -> None:
    read = parse_recipe(text(models, "dtype: float32"))
    with open_models(read) as (folders, checkpoints):
        result = examine(read, folders, checkpoints)
    assert "2 of 3 token numbers mean other tokens" in result.refusals[0].text
    with pytest.raises(MergeError, match="tokenizer_source"):
        result.require()


def findings(models: tuple[Path, Path]) -> list[str]:
    read = parse_recipe(text(models, "dtype: float32"))
    with open_models(read) as (folders, checkpoints):
        return [f"{f}" for f in examine(read, folders, checkpoints).findings if "tokenizers" in f.text]


def test_tokenizers_of_other_files_and_the_same_numbers_are_a_note(tmp_path: Path) -> None:
    models = tuple(word_level_model(tmp_path / name, ["<unk>", "hund"], 1.0) for name in "ab")
    assert not findings(models)  # type: ignore[arg-type]
    settings = json.loads((models[1] / "tokenizer_config.json").read_text())
    (models[1] / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 7}))
    (note,) = findings(models)  # type: ignore[arg-type]
    assert note.startswith("note: ") and note.endswith("tokenizers differ in files, not in token numbers")


def test_a_tokenizer_that_cannot_be_loaded_is_a_warning(models: tuple[Path, Path]) -> None:
    (models[1] / "tokenizer.json").write_text("{}")
    (warning,) = findings(models)
    assert warning.startswith("warning: ") and "tokenizers differ and cannot be compared" in warning
    assert f"expected a tokenizer in {models[1]}, transformers cannot load one" in warning
    assert "\n" not in warning


def test_only_tensors_of_the_vocabulary_are_rearranged(tmp_path: Path) -> None:
    a = word_level_model(tmp_path / "a", ["<unk>", "hund"], 1.0)
    b = word_level_model(tmp_path / "b", ["<unk>", "maus"], 1.0)
    for path, value in ((a, 2.0), (b, 4.0)):
        tensors = load_file(path / "model.safetensors")
        tensors["model.norm.weight"] = torch.tensor([value, 0.0])
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    out = merged(text((a, b), "tokenizer_source: union"), tmp_path / "out")
    assert out["model.norm.weight"].tolist() == [3.0, 0.0]
    assert len(out["model.embed_tokens.weight"]) == 3


def test_a_token_that_a_model_lacks_comes_from_the_base(tmp_path: Path) -> None:
    """Of the two that have katze, only the base gives its row to the third."""
    words = {"base": "katze", "other": "katze", "third": "hund"}
    paths = [
        word_level_model(tmp_path / name, ["<unk>", word], 10.0**n)
        for n, (name, word) in enumerate(words.items())
    ]
    listed = ", ".join(f"{{model: {path}, parameters: {{weight: {n // 2}}}}}" for n, path in enumerate(paths))
    recipe = f"models: [{listed}]\nmerge_method: linear\ntokenizer_source: union\n"
    merged(f"{recipe}base_model: {paths[0]}\n", tmp_path / "out")
    assert by_word(tmp_path / "out")["katze"] == [11.0, 1.0]
    merged(recipe, tmp_path / "mean")
    assert by_word(tmp_path / "mean")["katze"] == [(11.0 + 101.0) / 2, (1.0 + 10.0) / 2]


def test_a_row_that_no_token_has_is_zero(tmp_path: Path) -> None:
    models = tuple(word_level_model(tmp_path / name, ["<unk>", "hund", "floh"], 1.0) for name in "ab")
    for model in models:
        file = model / "tokenizer.json"
        settings = json.loads(file.read_text())
        del settings["model"]["vocab"]["hund"]
        file.write_text(json.dumps(settings))
    out = merged(text(models, "tokenizer_source: base", base=True), tmp_path / "out")  # type: ignore[arg-type]
    assert out["model.embed_tokens.weight"].tolist() == [[10.0, 1.0], [0.0, 0.0], [12.0, 1.0]]


def test_where_the_size_of_a_vocabulary_is_read(tmp_path: Path) -> None:
    """A multimodal model names it in its text_config; without one the model is named."""
    sizes = {"vocab_size": None, "text_config": {"vocab_size": 2}}
    nested = word_level_model(tmp_path / "a", ["<unk>", "hund"], 1.0, **sizes)
    plain = word_level_model(tmp_path / "b", ["<unk>", "maus"], 1.0)
    merged(text((nested, plain), "tokenizer_source: union"), tmp_path / "out")
    assert set(by_word(tmp_path / "out")) == {"<unk>", "hund", "maus"}
    unnamed = word_level_model(tmp_path / "c", ["<unk>", "maus"], 1.0, vocab_size=None)
    with pytest.raises(MergeError, match=r"/c: expected vocab_size in config\.json, found None"):
        merged(text((nested, unnamed), "tokenizer_source: union"), tmp_path / "again")


def test_of_several_templates_the_default_one_counts() -> None:
    several = {"default": "{{ 'a' }}", "tool_use": "{{ 'b' }}"}
    tokenizers = [SimpleNamespace(chat_template=t) for t in (several, "{{ 'b' }}", several, None)]
    assert most_common_template(tokenizers) == "{{ 'a' }}"


def test_a_source_that_is_no_model_of_the_recipe(models: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="expected union, base or a model of the recipe"):
        merged(text(models, "tokenizer_source: elsewhere"), tmp_path / "out")


SYSTEM, USER = {"role": "system", "content": "Sei kurz."}, {"role": "user", "content": "Hallo"}
LITERAL = "{{ messages[0]['content'] }} und Ende"


@pytest.mark.parametrize("source", ["", "tokenizer_source: union"])
@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("alpaca", "Sei kurz.\n\n### Instruction:\nHallo\n\n### Response:\n"),
        (
            "chatml",
            "<|im_start|>system\nSei kurz.<|im_end|>\n<|im_start|>user\nHallo<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        ("exaone", "[|system|]Sei kurz.[|endofturn|]\n[|user|]Hallo\n[|assistant|]"),
        (
            "llama3",
            "<s><|start_header_id|>system<|end_header_id|>\n\nSei kurz.<|eot_id|><|start_header_id|>user"
            "<|end_header_id|>\n\nHallo<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("mistral", "<s> [INST] Sei kurz.\n\nHallo [/INST]"),
        (LITERAL, "Sei kurz. und Ende"),
        ("auto", "Hallo?"),
    ],
)
def test_chat_templates(tmp_path: Path, source: str, template: str, prompt: str) -> None:
    words = ["<unk>", "<s>", "hund"]
    models = [word_level_model(tmp_path / name, words, 1.0) for name in "abc"]
    for model, own_template in zip(
        models, ("{{ 'seldom' }}", "{{ messages[1].content }}?", "{{ messages[1].content }}?\n"), strict=True
    ):
        tokenizer = AutoTokenizer.from_pretrained(model, bos_token="<s>")
        tokenizer.chat_template = own_template
        tokenizer.save_pretrained(model)
    listed = ", ".join(f"{{model: {model}}}" for model in models)
    recipe = f"models: [{listed}]\nmerge_method: linear\nparameters: {{weight: 1}}\n{source}\n"
    merged(f"{recipe}chat_template: {json.dumps(template)}\n", tmp_path / "out")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert loaded.apply_chat_template([SYSTEM, USER], tokenize=False, add_generation_prompt=True) == prompt
    assert loaded.get_vocab() == {word: row for row, word in enumerate(words)}


def test_a_chat_template_that_is_none_names_the_line(models: tuple[Path, Path]) -> None:
    with pytest.raises(MergeError, match=r"recipe:4: chat_template: expected auto, alpaca, .*found 'chatlm'"):
        parse_recipe(text(models, "chat_template: chatlm"))
