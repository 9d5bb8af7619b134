"""What do pools of systems gain over their best member?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.common.measurements import Measurements, Part
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from benchmarks.pages.page import Page
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.significance import Difference, correct_family, paired_test
from components.metrics.table import get_metric

CALIBRATED = "calibrated-votes"
SINGLES = ("base", "tiny", "sphinx")
NAMES = {
    "base": "Whisper base",
    "tiny": "Whisper tiny.en",
    "sphinx": "PocketSphinx",
    "equal-votes": "ROVER, equal votes",
    "equal-votes-5-best": "ROVER, equal votes, 5 best",
    "more-for-base": "ROVER, votes 2, 1, 1",
    "beam": "beam 5",
    "seed-2": "beam 5, another seed",
    "seed-3": "beam 5, a third seed",
    "samples": "the best-scored of 32 samples",
    "samples-chrf": "MBR of 32 samples, chrF",
    "samples-bleu": "MBR of 32 samples, BLEU",
    "beams-chrf": "MBR of three seeds' beams, chrF",
    "beams-bleu": "MBR of three seeds' beams, BLEU",
    "ensemble": "token-level ensemble of the three",
}
TRANSCRIPTS = """\
The 1,000 captions of test_2016_flickr, spoken by two voices of Festival Lite in turn, without noise. The best
single system, and the weight of votes and the confidence of silence of the calibrated votes ({setting}), were
chosen on 200 captions of val that the estimators (gradient boosting, 300 captions of val) were not fitted on.
*Against*: paired bootstrap, 10,000 resamples of captions, p corrected by Holm over the rows; *could see*: the
smallest true difference that would have been found in 80% of cases. Oracle: of each caption the candidate
with the fewest errors among five of each system."""
TRANSLATIONS = """\
The 1,000 captions of test_2016_flickr as text. Samples: epsilon 0.02, the packaged model. The other seeds
are models of `python -m benchmarks.claims run seeds` (1 and 5). Against the packaged model's beam 5,
tested as above. Oracle: of each sentence the sample with the best chrF."""
CORRECTOR = "corrector of "
"""How the parts of :mod:`benchmarks.quality.confidence.fusing` begin; the names of the recognizers follow."""
CORRECTED = """\
A model of kind `train_fuse` (6 M parameters) reads the five first different candidates of {lists} and
writes a new text; `fuse` accepts it or keeps the first candidate. It started from the packaged translator,
was prepared on simulated lists of {prepared_on:,} captions of train ({prepare_steps} updates), and learned
on the real lists of {trained_on:,} others ({steps} updates), which two voices spoke that speak nothing
else here; 300 captions of val picked its checkpoint. Gate and largest share of changed words were chosen
on 200 other captions of val, among these rows and the first candidate itself; the row of the choice is
marked. The test set and the tests are those of the recognizers above. Oracle: of each caption the best of
the five."""


def _blocks(measurements: Measurements) -> list[str]:
    """Transcripts, corrected ones, then translations."""
    results = measurements["recognizers"]
    best, setting = choose_on_val(results["val"])
    alpha, silence = setting.removeprefix(f"{CALIBRATED}-").split("-")
    setting_text = f"alpha {_number(alpha)}, null_confidence {_number(silence)}"
    systems = [name for name in results["test"]["statistics"] if not name.startswith(CALIBRATED)]
    rows = _rows(results["test"], "wer", [*systems, setting], best)
    translators = measurements["translators"]
    parts = [
        "## Three recognizers",
        one_paragraph(TRANSCRIPTS.format(setting=setting_text)),
        markdown_table(["system", "WER", f"against {NAMES[best]}", "p", "could see"], rows),
        *(part for name in _correctors(measurements) for part in _corrected(measurements.parts[name])),
        "## Translations",
        one_paragraph(TRANSLATIONS),
    ]
    for metric in ("bleu", "chrf"):
        by_metric = {"n": translators["n"], "statistics": translators["statistics"][metric]}
        oracle = {"oracle": translators["oracle"]} if metric == "chrf" else {}
        rows = _rows({**by_metric, **oracle}, metric, list(by_metric["statistics"]), "beam")
        label = get_metric(metric).label
        parts.append(markdown_table(["system", label, "against beam 5", "p", "could see"], rows))
    return parts


def _result(measurements: Measurements) -> str:
    results = measurements["recognizers"]
    best, setting = choose_on_val(results["val"])
    votes = _compare(results["test"], "wer", [setting], best)[0]
    translators = measurements["translators"]
    bleu = {**translators, "statistics": translators["statistics"]["bleu"]}
    risk = _compare(bleu, "bleu", ["samples-bleu"], "beam")[0]
    return (
        f"Calibrated votes of three recognizers: {_describe(votes)} WER against the best of them; minimum "
        f"Bayes risk over 32 samples: {_describe(risk)} BLEU against beam 5"
        f"{''.join(map(partial(_summarize, measurements), _correctors(measurements)))}."
    )


def _correctors(measurements: Measurements) -> list[str]:
    return [name for name in measurements.parts if name.startswith(CORRECTOR)]


def _corrected(part: Part) -> list[str]:
    """The section of a corrector: every gate, and the one that val chose."""
    results = part.results
    first, *others = part.part.removeprefix(CORRECTOR).split(" and ")
    lists = " and ".join(NAMES[name] for name in (first, *others))
    names = [first, *(name for name in results["test"]["statistics"] if name.startswith("fused-"))]
    rates = {name: f"{_table(results['tuning'], 'wer', name).score():.2f}" for name in names}
    gate = _label(_choose_gate(results["tuning"], names))
    rows = [
        [f"**{label}**" if label == gate else label, rates.get(name, ""), *cells]
        for name, (label, *cells) in zip(
            [*names, "oracle"], _rows(results["test"], "wer", names, first), strict=True
        )
    ]
    header = ["system", "WER on val", "WER", f"against {NAMES[first]}", "p", "could see"]
    return [
        f"## A corrector of the lists of {lists}",
        one_paragraph(CORRECTED.format(lists=lists, **results, **part.manifest.settings)),
        markdown_table(header, rows),
    ]


def _summarize(measurements: Measurements, part: str) -> str:
    """What the corrector gains under the gate that val chose."""
    results, first = measurements[part], part.removeprefix(CORRECTOR).split(" and ")[0]
    names = [name for name in results["test"]["statistics"] if name == first or name.startswith("fused-")]
    gate = _choose_gate(results["tuning"], names)
    if gate == first:
        return f"; a corrector of the lists of {NAMES[first]}: nothing, val kept the first candidates"
    gained = _compare(results["test"], "wer", [gate], first)[0]
    return f"; a gated corrector of the lists of {NAMES[first]}: {_describe(gained)} WER against their first"


def _choose_gate(results: Mapping[str, Any], names: Sequence[str]) -> str:
    """The best on val; of equals the first candidate, then the gate that is named first."""
    return min(names, key=lambda name: _table(results, "wer", name).score())


def choose_on_val(results: Mapping[str, Any]) -> tuple[str, str]:
    """The best single system and the best setting of calibrated votes on val."""
    rates = {name: _table(results, "wer", name).score() for name in results["statistics"]}
    settings = [name for name in rates if name.startswith(CALIBRATED)]
    return min(SINGLES, key=rates.__getitem__), min(settings, key=rates.__getitem__)


def _table(results: Mapping[str, Any], metric: str, name: str) -> CorpusStatistics:
    rows = np.asarray(results["statistics"][name] if name != "oracle" else results["oracle"])
    ids = tuple(map(str, range(len(rows))))
    return CorpusStatistics(get_metric(metric), ids, rows, results["n"], metric)


def _compare(
    results: Mapping[str, Any], metric: str, names: Sequence[str], baseline: str
) -> list[Difference]:
    base = _table(results, metric, baseline)
    return correct_family([paired_test(_table(results, metric, n), base, (n, baseline)) for n in names])


def _rows(results: Mapping[str, Any], metric: str, names: Sequence[str], baseline: str) -> list[list[str]]:
    others = [name for name in names if name != baseline]
    differences = {each.system: each for each in _compare(results, metric, others, baseline)}
    rows = []
    for name in names:
        score = _table(results, metric, name).to_score()
        shown = f"{score.value:.2f}{format_interval(score.interval, ' ({:.1f} to {:.1f})')}"
        label = _label(name)
        difference = differences.get(name)
        if difference is None:
            rows.append([label, shown, "", "", ""])
        else:
            seen = "" if difference.detectable is None else f"{difference.detectable:.2f}"
            rows.append([label, shown, _describe(difference), format_p_value(difference.p_holm), seen])
    if "oracle" in results:
        score = _table(results, metric, "oracle").to_score()
        rows.append(["oracle: the best candidate", f"{score.value:.2f}", "", "", ""])
    return rows


def _label(name: str) -> str:
    if name.startswith("fused-"):
        _, gate, edit = name.split("-")
        limit = "" if edit == "1" else f", at most {100 * float(_number(edit)):.0f}% changed"
        return f"corrected, {'no gate' if gate == 'off' else f'gate {gate}'}{limit}"
    return NAMES.get(name, "ROVER, calibrated votes")


def _describe(difference: Difference) -> str:
    return f"{difference.difference:+.2f}{format_interval(difference.interval, ' ({:+.1f} to {:+.1f})')}"


def _number(digits: str) -> str:
    """``0.5`` of ``05``."""
    return f"{digits[0]}.{digits[1:]}"


PAGES = {
    "pools": Page(
        title="Pools",
        question="What do pools of systems gain over their best member?",
        result=_result,
        text="**{result}**",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
