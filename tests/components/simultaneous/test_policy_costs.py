"""What policies cost, of a cascade whose texts a test knows."""

from __future__ import annotations

import pytest
import sacrebleu

from components.analysis.texts_to_score import Languages
from components.metrics.table import metrics_of
from components.nodes.node_context import Item
from components.pipeline.pipeline import TARGET
from components.records import Audio, Utterance
from components.simultaneous.evaluation import Output
from components.simultaneous.policies import read_policies
from components.simultaneous.policy_costs import list_variants, measure_costs
from components.simultaneous.replay import Replayer
from tests.components.serving.graphs import PLAIN_CASCADE, each, make_graph, text

SAID = "one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905 - as it is said
OUTPUT = Output("translation", "mt", ("asr", "mt"), Languages(TARGET, "de"))


def hear(item: Item) -> object:
    """A word a second; the third is always wrong, the seventh as long as nothing follows."""
    audio = item.utterance.audio
    words = SAID[: int(audio.seconds + 1e-6)]
    words[2:3] = ["tree"] * len(words[2:3])
    return text(item, " ".join([*words[:-1], "hm"] if len(words) == 7 else words))


def translate(item: Item) -> object:
    """In capitals; a text of fewer than four words loses its first."""
    words = str(item.utterance.text).upper().split()
    return text(item, " ".join(words if len(words) >= 4 else words[1:]))


def test_costs_of_errors_and_policies_add_up_to_what_the_output_lacks() -> None:
    graph = make_graph({"asr": each(hear), "mt": each(translate)}, PLAIN_CASCADE)  # type: ignore[arg-type]
    utterances = [
        Utterance(
            id=f"u{n}",
            audio=Audio(path=f"{n}.wav", sha256=f"{n:064}", seconds=len(SAID), sample_rate=16000),
            transcript=" ".join(SAID),
            references=(" ".join(SAID).upper(),),
            source_language="en",
            target_language="de",
        )
        for n in range(12)
    ]
    replayer = Replayer(graph, read_policies(["fixed", "mt=hold:1"], list(graph.nodes)), 1.0)
    replays = [replayer.replay(utterance) for utterance in utterances]
    offline = " ".join(SAID).upper().replace("THREE", "TREE")
    run = dict.fromkeys((u.id for u in utterances), offline)
    variants = list_variants(replayer, utterances, replays, OUTPUT, run)
    assert [variant.loss for variant in variants] == ["", "errors of asr", "policy of asr", "policy of mt"]
    texts = [variant.texts["u0"] for variant in variants]
    assert texts[:2] == [" ".join(SAID).upper(), offline]
    assert texts[2] == replays[0].texts["asr"].upper()
    assert texts[3] == replays[0].texts["mt"]
    bleu = metrics_of("translation")["bleu"]
    costs = measure_costs(variants, utterances, OUTPUT, [bleu])["bleu"]
    assert min(cost.value for cost in costs.values()) > 0
    alone = sacrebleu.corpus_bleu([texts[3]] * 12, [[utterances[0].references[0]] * 12]).score
    assert sum(cost.value for cost in costs.values()) == pytest.approx(100 - alone)
