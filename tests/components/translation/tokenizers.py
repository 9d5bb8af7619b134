"""Small tokenizers made in memory: words are letters and marks, so any text can be read."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:!?<>/|_▁"


def characters(specials: list[str], *, newline: bool = False, **named: Any) -> PreTrainedTokenizerFast:
    """One token per character after ``specials``; text ends with ``</s>`` where that is a special."""
    pieces = [*specials, *LETTERS, *(["\n"] if newline else [])]
    core = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")]
    )
    core.decoder = decoders.Fuse()
    core.add_special_tokens([AddedToken(special, special=True) for special in specials])
    if "</s>" in specials:
        core.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", specials.index("</s>"))]
        )
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", model_max_length=40, **named)
