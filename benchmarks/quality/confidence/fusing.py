"""What a corrector of n-best lists gains over their first candidate, on transcripts.

Lists of spoken captions of train are out of fold by themselves, as Whisper has not learned from captions.
The corrector starts from the packaged translator, is prepared on simulated lists of other captions of train,
and learns on the real ones. 300 captions of val stop its training; what accepts its texts is chosen on the
200 others (by the page). Its part joins those of ``pools``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from antiphon import Run
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_texts
from benchmarks.quality.confidence import graphs, simulated_lists
from benchmarks.quality.confidence.data import TRAIN, WORK, clean_manifests
from benchmarks.quality.confidence.graphs import Graph
from benchmarks.quality.confidence.pools import best_texts, oracle_statistics
from benchmarks.quality.confidence.spoken_captions import SPLITS
from components import data
from components.files.files import write_bytes
from components.fusing.candidates import collect_texts
from components.own_code.code_permission import allow_own_code
from components.records import NBest

PAGE = "pools"
PART = "corrector"
GATES = ("off", "consensus")
EDITS = (0.3, 1.0)
"""Largest shares of changed words."""
CANDIDATES = 5
"""That the corrector reads, and that its oracle chooses from."""
SIMULATED = 12_000
"""Captions of train with simulated lists; they come after those that are spoken."""
PREPARED = {"batch_tokens": 2500, "eval_every": 80, "learning_rate": 1e-3, "warmup_steps": 40}
TRAINED = {"batch_tokens": 1000, "eval_every": 40, "learning_rate": 2e-4, "warmup_steps": 20}
OPTIONS = {
    "work": WORK,
    "systems": option(["tiny"], "whose lists; the first stays", choices=("tiny", "base")),
    "prepare-steps": option(160, "updates on simulated lists"),
    "steps": option(80, "updates on real lists"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What every gate delivers on the recordings that gates are chosen on, and on the test set."""
    allow_own_code()
    manifests = clean_manifests(options.work)
    graph, store, run = fuse_graph(options, manifests), options.work / "store", graphs.run_graph
    values: dict[str, Any] = {
        name: keep_texts(run(graph, manifests[name], store, f"fuse-{name}"), options.systems)
        for name in ("tuning", "test")
    }
    values |= {"prepared_on": SIMULATED, "trained_on": SPLITS[TRAIN]}
    models = [str(graphs.RECOGNIZERS[name]["model"]) for name in options.systems]
    part = f"{PART} of {' and '.join(options.systems)}"
    yield Result(part, values, [*models, str(graphs.TRANSLATOR["model"])])


def fuse_graph(options: argparse.Namespace, manifests: Mapping[str, Path]) -> Graph:
    """The recognizers, the corrector's two trainings, and its texts under every gate."""
    captions, confusions = write_captions(options.work)
    simulated = {
        "kind": "python",
        "file": simulated_lists.__file__,
        "function": "simulate",
        "also": [str(confusions)],
        "arguments": {"confusions": str(confusions)},
    }
    nodes: Graph = {
        "train": {"kind": "data", "source": str(manifests["train"])},
        "dev": {"kind": "data", "source": str(manifests["dev"])},
        "captions": {"kind": "data", "source": str(captions)},
        "simulated": {"of": "captions", **simulated},
    }
    for name in options.systems:
        nodes[name] = {"kind": "recognize", **graphs.RECOGNIZERS[name]}
        for split in ("train", "dev"):
            model = graphs.RECOGNIZERS[name]["model"]
            nodes[f"{split}-{name}"] = {"kind": "recognize", "of": split, "model": model}
    lists = [f"{split}-{name}" for split in ("train", "dev") for name in options.systems]
    nodes["prepared"] = {
        "kind": "train_fuse",
        "of": ["captions", "dev", "simulated", f"dev-{options.systems[0]}"],
        "steps": options.prepare_steps,
        **PREPARED,
    }
    nodes["corrector"] = {
        "kind": "train_fuse",
        "of": ["train", "dev", *lists],
        "init_from": "node:prepared",
        "steps": options.steps,
        **TRAINED,
    }
    for gate, edit in product(GATES, EDITS):
        nodes[node_of(gate, edit)] = {
            "kind": "fuse",
            "of": list(options.systems),
            "method": "trained",
            "model": "node:corrector",
            "gate": gate,
            "max_edit": edit,
        }
    return nodes


def node_of(gate: str, max_edit: float) -> str:
    """The node of a gate, such as ``fused-consensus-0.3``, without the point."""
    return f"fused-{gate}-{max_edit:g}".replace(".", "")


def write_captions(work: Path) -> tuple[Path, Path]:
    """Write the captions that get simulated lists, and the words that these confuse."""
    texts = [u.text or "" for u in data.load("multi30k:train").utterances]
    spoken = SPLITS[TRAIN]
    rows = [
        {"id": f"train-{number}", "text": text, "transcript": text, "source_language": "en"}
        for number, text in enumerate(texts[spoken : spoken + SIMULATED], spoken)
    ]
    captions, confusions = work / "captions.jsonl", work / "confusions.json"
    write_bytes(captions, "".join(json.dumps(row) + "\n" for row in rows).encode())
    simulated_lists.write_confusions(texts, confusions)
    return captions, confusions


def keep_texts(run: Run, names: Sequence[str]) -> dict[str, Any]:
    """Texts of every system and statistics of their WER; those of the best of the corrector's candidates.

    Args:
        run: of :func:`fuse_graph`.
        names: the recognizers.
    """
    utterances = run.utterances
    fused = [node_of(gate, edit) for gate, edit in product(GATES, EDITS)]
    systems = {name: best_texts(run, name) for name in (*names, *fused)}
    texts = {name: [own.get(u.id, "") for u in utterances] for name, own in systems.items()}
    outcomes = [run.outcomes(name) for name in names]
    pools = {
        u.id: collect_texts([o for own in outcomes if isinstance(o := own.get(u.id), NBest)], CANDIDATES)
        for u in utterances
    }
    return {
        "n": len(utterances),
        "texts": texts,
        "statistics": {name: count_texts("wer", utterances, own) for name, own in texts.items()},
        "oracle": oracle_statistics("wer", utterances, pools),
    }
