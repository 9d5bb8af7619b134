from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer as WordTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.system_combination import combine_outputs
from components.ensembling.output_level.weighted_hypotheses import add_language_model_scores
from components.errors import ModelError
from components.models.loaders.language_model import CausalLanguageModel, load_language_model
from components.records import NBest
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

WORDS = ["<s>", "</s>", "ein", "zwei", "Hund", "Hunde", "läuft"]


class Tokenizer(SimpleNamespace):
    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [WORDS.index(word) for word in text.split()]}


@pytest.fixture(scope="module")
def network() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), pad_token_id=None, **shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    return model


@pytest.fixture
def model(network: LlamaForCausalLM) -> CausalLanguageModel:
    return CausalLanguageModel(network, Tokenizer(bos_token_id=0, eos_token_id=1), "tiny")


TEXTS = ["ein Hund läuft", "", "zwei", "zwei Hunde läuft ein Hund"]


def plain(network: LlamaForCausalLM, text: str) -> float:
    """Token after token, each prefix run by itself."""
    ids = [0, *(WORDS.index(word) for word in text.split()), 1]
    total = 0.0
    for place in range(1, len(ids)):
        with torch.no_grad():
            logits = network(input_ids=torch.tensor([ids[:place]])).logits[0, -1]
        total += float(logits.log_softmax(-1)[ids[place]])
    return total


def test_a_batch_is_each_text_by_itself_token_by_token(
    model: CausalLanguageModel, network: LlamaForCausalLM
) -> None:
    expected = [plain(network, text) for text in TEXTS]
    assert model.score(TEXTS) == pytest.approx(expected, abs=1e-4)
    assert len({round(value, 2) for value in expected}) == len(TEXTS)


@pytest.mark.parametrize(
    "texts",
    [["ein Hund läuft", "ein Hunde läuft ein", "ein Hund"], TEXTS, ["zwei", "zwei"], ["ein"]],
    ids=["a common beginning", "none", "the same", "one"],
)
def test_variants_differ_by_what_whole_texts_differ(model: CausalLanguageModel, texts: list[str]) -> None:
    found, whole = model.score_variants(texts), model.score(texts)
    assert [one - found[0] for one in found] == pytest.approx([one - whole[0] for one in whole], abs=1e-4)
    costs = [one - all_ for one, all_ in zip(found, whole, strict=True)]
    assert min(costs) > -1e-4  # of what is common, if anything is


def test_likely_words_are_whole_words_in_the_order_of_their_probability(network: LlamaForCausalLM) -> None:
    pieces = ["<s>", "</s>", " ein", "zwei", " Hund", " Hunde", " läuft"]  # "zwei" goes on with a word
    tokenizer = Tokenizer(bos_token_id=0, eos_token_id=1, decode=pieces.__getitem__)
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([[0, 2]])).logits[0, -1]
    expected = [pieces[n].strip() for n in logits.argsort(descending=True).tolist() if pieces[n][0] == " "]
    model = CausalLanguageModel(network, tokenizer, "tiny")
    assert model.likely_words("ein", 10) == expected
    assert model.likely_words("ein", 2) == expected[:2]


def test_a_tokenizer_without_a_beginning_begins_with_its_end(network: LlamaForCausalLM) -> None:
    scores = CausalLanguageModel(network, Tokenizer(bos_token_id=None, eos_token_id=1), "tiny").score(["ein"])
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([[1, 2, 1]])).logits[0].log_softmax(-1)
    assert scores == pytest.approx([float(logits[0, 2] + logits[1, 1])], abs=1e-4)
    with pytest.raises(ModelError, match="tiny: expected a tokenizer with an end-of-text token"):
        CausalLanguageModel(network, Tokenizer(bos_token_id=0, eos_token_id=None), "tiny")


def test_reranking_by_it_alone_is_its_order(model: CausalLanguageModel) -> None:
    lists = [make_hypothesis(text, score=-1.0) for text in TEXTS if text]
    [offer] = add_language_model_scores(make_nbests(lists), model)
    scores = {h.text: h.features["lm"] for h in offer.hypotheses}
    outcomes = {"x": NBest(utterance_id="u", hypotheses=tuple(lists))}
    config = SystemCombinationConfig(method="reranking", coefficients={"lm": 1.0})
    result = combine_outputs("u", outcomes, config, "de", model)
    assert [h.text for h in result.hypotheses] == sorted(scores, key=lambda text: -scores[text])


def test_a_folder_is_loaded_once_and_scores_as_its_model(network: LlamaForCausalLM, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    words = WordTokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="</s>"))
    words.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>").save_pretrained(
        tmp_path
    )
    loaded = load_language_model(str(tmp_path))
    assert loaded.score(TEXTS) == pytest.approx([plain(network, text) for text in TEXTS], abs=1e-3)
    assert load_language_model(str(tmp_path)) is loaded
