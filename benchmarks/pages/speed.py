"""Pages of times: minimum Bayes risk, merging, speculation, training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page, part

FORMS = ("exact", "aggregated", "pruned")
UTILITIES = {"chrf": "chrF", "bleu": "BLEU"}
TARGETS = {
    "linear": 3.0,
    "task_arithmetic": 3.0,
    "slerp": 2.5,
    "ties": 5.0,
    "dare_ties": 3.0,
    "dare_linear": 3.0,
}
ELEMENTWISE = ("linear", "task_arithmetic")
ONE, TWO, DDP = "one process", "two processes", "two processes, torch's DDP"


def _risk(measurements: Measurements) -> str:
    texts = []
    for utility, label in UTILITIES.items():
        seconds = {name: row["median"] for name, row in measurements[f"{utility}-1024"]["seconds"].items()}
        naive = seconds["sacreBLEU, pairwise"]
        ratios = (f"{form} {naive / seconds[form]:,.0f} times faster" for form in FORMS if form in seconds)
        texts.append(f"{label}: {', '.join(ratios)}")
    return f"Than sacreBLEU's loop over 1,024 samples, {'; '.join(texts)}"


def _risk_blocks(measurements: Measurements) -> list[str]:
    """One table per utility, one row per size and form."""
    header = ["samples", "form", "CPU s", "lowest to highest round", "winner", "loss", "candidates left"]
    blocks = []
    for utility, label in UTILITIES.items():
        rows = [row for size in (256, 1024) for row in _risk_rows(measurements[f"{utility}-{size}"], size)]
        blocks += [f"## {label}", markdown_table(header, rows)]
    return blocks


def _risk_rows(values: Mapping[str, Any], size: int) -> list[list[str]]:
    rows = []
    for name, taken in values["seconds"].items():
        spread = f"{taken['lowest']:.3f} to {taken['highest']:.3f}"
        row = [f"{size:,}", name, f"{taken['median']:.3f}", spread]
        if name in FORMS:
            losses, left = values["losses"][name], values["left"][name]
            winners = sum(loss < 1e-9 for loss in losses)
            row += [f"{winners} of {len(losses)}", f"{max(losses):.2f}, {sum(losses) / len(losses):.3f}"]
            row.append(f"{sum(left) / len(left):.0f}")
        rows.append(row + [""] * (7 - len(row)))
    return rows


def _merges(measurements: Measurements) -> dict[str, dict[str, Any]]:
    """Type of weights -> method -> its row; every method is a part of its own, ``bfloat16 linear``."""
    by_type: dict[str, dict[str, Any]] = {}
    for name, own in measurements.parts.items():
        dtype, method = name.split(" ")
        by_type.setdefault(dtype, {})[method] = own.results
    return by_type


def _merging(merges: Mapping[str, Any]) -> str:
    methods = merges["bfloat16"]
    ratios = [f"{row['less']:.1f} for {name}" for name, row in methods.items() if "less" in row]
    memory = max(row["ours"]["rss"] for row in methods.values()) / 1e9
    return (
        f"Three models of 540 MB take this many times less CPU time than with mergekit 0.1.5: "
        f"{', '.join(ratios)}; in {memory:.2f} GB of memory"
    )


def _merging_row(name: str, row: Mapping[str, Any]) -> dict[str, str]:
    theirs, ours = row.get("mergekit"), row["ours"]
    bound = " (target 3)" if name in ELEMENTWISE else ""
    return {
        "method": name,
        "rounds": str(row["rounds"]),
        "mergekit, CPU s": f"{theirs['cpu']:.1f}" if theirs else "",
        "ours, CPU s": f"{ours['cpu']:.2f}",
        "less CPU": f"{row['less']:.1f}x" if theirs else "",
        "target": f"{TARGETS[name]:g}x" if name in TARGETS else "",
        "plain loop, CPU s": f"{row['plain']['cpu']:.2f}",
        "ours / plain": f"{row['of_plain']:.1f}{bound}",
        "mergekit, GB": f"{theirs['rss'] / 1e9:.2f}" if theirs else "",
        "ours, GB": f"{ours['rss'] / 1e9:.2f}",
        "doctor, CPU s": f"{ours['doctor']:.2f}",
    }


def _merging_blocks(merges: Mapping[str, Any]) -> list[str]:
    """One table for each type of weights."""
    blocks = []
    for dtype, methods in merges.items():
        rows = [_merging_row(name, row) for name, row in methods.items()]
        blocks += [f"## {dtype}", markdown_table(tuple(rows[0]), [tuple(row.values()) for row in rows])]
    return blocks


def _spread(seconds: Mapping[str, list[float]], name: str, base: str) -> tuple[float, float, float]:
    """Median, least and greatest over the rounds of the time over that of ``base``."""
    ratios = [own / other for own, other in zip(seconds[name], seconds[base], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _to_greedy(values: Any, name: str) -> tuple[float, float, float]:
    """Time of a system over that of its own greedy search."""
    greedy = f"{name.rsplit(', ', 1)[0]}, greedy"
    base = "transformers, batch 1, generate" if name.startswith("transformers") else greedy
    return _spread({system: row["seconds"] for system, row in values["systems"].items()}, name, base)


def _speculative(values: Any) -> str:
    parts = [
        f"{label} {_to_greedy(values, name)[0]:.2f}"
        for label, name in (
            ("one model", "one, batch 1, draft of 4"),
            ("four as one", "four, batch 1, draft of 4"),
            ("transformers' assisted generation", "transformers, batch 1, assisted generation"),
        )
    ]
    systems = values["systems"]
    calls = systems["one, batch 1, draft of 4"]["calls"] / systems["one, batch 1, greedy"]["calls"]
    return (
        f"Time of greedy search with a draft of 4 tokens over that without, sentence by sentence: "
        f"{', '.join(parts)}; calls of the model: {calls:.2f} of those without"
    )


def _speculative_blocks(values: Any) -> list[str]:
    """One row per system."""
    rows = []
    for name, row in values["systems"].items():
        ratio, low, high = _to_greedy(values, name)
        cells = [f"{statistics.median(row['seconds']):.2f}", f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"]
        cells += [f"{row[key]:,}" if row[key] else "" for key in ("calls", "draft_calls")]
        rows.append([name, *cells, f"{row['equal']} of {values['sentences']}"])
    header = ["system", "CPU s", "ratio", "lowest to highest", "calls", "draft calls", "equal"]
    return [markdown_table(header, rows)]


def _training(values: Any) -> str:
    saved, low, high = _spread(values["seconds"], TWO, ONE)
    against, least, most = _spread(values["seconds"], TWO, DDP)
    return (
        f"Two processes take {saved:.2f} ({low:.2f} to {high:.2f}) of the time of one on two cores, and "
        f"{against:.2f} ({least:.2f} to {most:.2f}) of that of torch's DDP"
    )


def _training_blocks(values: Any) -> list[str]:
    """A row per system."""
    rows = []
    for name, seconds in values["seconds"].items():
        ratio, low, high = _spread(values["seconds"], name, ONE)
        rows.append([name, f"{statistics.median(seconds):.3f}", f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"])
    return [markdown_table(["system", "s an update", "ratio to one process", "lowest to highest"], rows)]


PAGES = {
    "speed-mbr": Page(
        title="Minimum Bayes risk over samples: speed",
        question="What does minimum Bayes risk over 1,024 samples cost?",
        facts=part("chrf-256"),
        result=_risk,
        text="""\
{result}.

CPU seconds an utterance, one process: German captions, each in 256 or 1,024 samples in which up to six words
were exchanged ({utterances} utterances, median of {rounds} interleaved rounds). sacreBLEU's loop was run for
16 candidates against all and is given for all in proportion. Winner: in how many utterances a form finds the
candidate that the exact form finds, or an equal one. Loss: how far the expected utility of its winner is
below that of the exact form's, at most and on average.""",
        blocks=_risk_blocks,
    ),
    "speed-merging": Page(
        title="Speed of merging",
        question="How fast is merging?",
        read=_merges,
        result=_merging,
        text="""\
{result}.

Three models of 540 MB in bfloat16 (271 M parameters, Llama shape, random weights), one thread; CPU seconds
without imports and peak resident memory of a process for each merge. The processes of a method follow each
other, and every number is the median of the rounds. linear: three models; slerp: two; the others: two
models and a base, density 0.5. Plain loop: reads the same files with safetensors, adds, writes. The doctor
reads every weight once more; it runs before every `antiphon merge`. Resident memory includes Python and
torch (0.27 GB). The SHA-256 of every input, which is taken once and remembered, is not counted. mergekit
pins old packages, so it has an environment of its own: `--mergekit PYTHON` or `ANTIPHON_MERGEKIT`.""",
        blocks=_merging_blocks,
    ),
    "speed-speculative": Page(
        title="Speed of speculative decoding",
        question="Is greedy search faster when a student proposes tokens?",
        read=part("systems"),
        result=_speculative,
        text="""\
{result}.

CPU seconds of one thread, float32: the first {sentences} captions of test_2016_flickr ({tokens} tokens,
ends included), greedy; after a round that warms up, the median of {rounds} rounds in which all systems take
turns in one process; ratios are medians over the rounds. *One*: `packaged:multi30k-en-de` (6 M parameters,
3 decoder layers); *four*: {copies} copies of it, mixed with equal weights, as an ensemble of its size costs.
The draft model is its student with one decoder layer. *Ratio*: time over that of the same system's greedy
search, below 1 is faster; for transformers (default settings) over its own `generate`. *Calls*: of the
model (each member), and of the draft model. *Equal*: sentences with the tokens of greedy search.""",
        blocks=_speculative_blocks,
    ),
    "speed-training": Page(
        title="Speed of training over processes",
        question="What does training over two processes save?",
        read=part("bfloat16"),
        facts=lambda values: {
            **values,
            "same": "equal to the last bit" if values["same_weights"] else "different",
        },
        result=_training,
        text=f"""\
{{result}}.

A Marian of {{parameters:,}} parameters learns random sentences in bfloat16 on the CPU: batches of 2,500
tokens in two microbatches, one thread a process, gloo. *{ONE}* computes both microbatches in turn, *{TWO}*
one each, with gradients added in the order of the microbatches
([decision 32](../decisions/0032-microbatches.md)). Wall seconds of an update, medians of {{rounds}} rounds of
{{updates}} updates in which the systems take turns within one `torchrun`; ratios are of the same round.
Weights of one and of two processes were {{same}} in
the end.""",
        blocks=_training_blocks,
    ),
}
"""Page -> its row."""
