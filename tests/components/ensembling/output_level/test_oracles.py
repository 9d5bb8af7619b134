from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from components.ensembling.output_level.oracles import choose_best, compose_best, nearest_path, pool_by_rank
from components.ensembling.output_level.pools import find_pools
from components.metrics.scoring_units import ScoringUnits
from components.metrics.table import METRICS
from components.records import Audio, ReferenceSegment, Utterance
from components.run_record import StageRef
from components.text.normalization.text_normalization import Normalizer
from tests.graph_text import parse_pipeline

SOUND = Audio(path="/x.wav", sha256="0" * 64, seconds=9.0, sample_rate=16000)
words = st.lists(st.sampled_from("abcd"), max_size=4)
columns = st.lists(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=3), max_size=5)
as_it_is: Normalizer = str


@settings(max_examples=80)
@given(columns, words)
def test_the_nearest_path_is_that_of_all_paths(network: list[list[str | None]], reference: list[str]) -> None:
    paths = [[word for word in path if word is not None] for path in product(*network)]
    path = nearest_path(network, reference)
    assert path in paths
    assert Levenshtein.distance(path, reference) == min(Levenshtein.distance(p, reference) for p in paths)


@settings(max_examples=60)
@given(st.lists(words.map(" ".join), min_size=1, max_size=4), words.map(" ".join))
def test_no_candidate_has_fewer_errors_than_the_best_path(candidates: list[str], reference: str) -> None:
    path = compose_best(candidates, reference, "en", as_it_is).split()
    errors = [Levenshtein.distance(text.split(), reference.split()) for text in candidates]
    assert Levenshtein.distance(path, reference.split()) <= min(errors)


def test_the_best_path_takes_words_from_several_candidates() -> None:
    candidates = ["the bat sat on a mat", "the cat sad on a mat"]
    assert compose_best(candidates, "the cat sat on the mat", "en", as_it_is) == "the cat sat on a mat"
    assert compose_best(["你好", "您好吗"], "你好吗", "zh", as_it_is) == "你好吗"


def test_the_best_candidate_of_each_utterance_and_the_first_of_equals() -> None:
    utterances = [
        Utterance(id="x", audio=SOUND, source_language="en", transcript="a b c"),
        Utterance(id="y", audio=SOUND, source_language="en", transcript="d"),
    ]
    units = ScoringUnits(utterances, "transcript", "en")
    by_rank = pool_by_rank({"x": ["a", "a b", "b c"], "y": ["e"]}, units)
    assert [texts["y"] for texts in by_rank] == ["e"] * 3
    assert choose_best(by_rank, METRICS["wer"], units, 2) == {"x": "a b", "y": "e"}


def test_of_a_long_recording_each_stretch_has_its_own_best_candidate() -> None:
    stretches = tuple(
        ReferenceSegment(start=n, end=n + 1, transcript=text) for n, text in enumerate(["a b c", "d e f"])
    )
    talk = Utterance(
        id="t", audio=SOUND, source_language="en", transcript="a b c d e f", reference_segments=stretches
    )
    units = ScoringUnits([talk], "transcript", "en")
    best = choose_best(pool_by_rank({"t": ["a b c d x x", "x x c d e f"]}, units), METRICS["wer"], units, 1)
    assert best == {"t#1": "a b c", "t#2": "d e f"}


def test_a_pool_holds_texts_and_no_recordings() -> None:
    graph = """nodes:
  asr: {kind: recognize, beam_size: 1, n_best: 1}
  both: {kind: combine, of: [asr, data], method: minimum_bayes_risk}
"""
    counts = {"items": 1, "quarantined": 0, "seconds": 0, "peak_memory_bytes": 0}
    stages = {
        name: StageRef(stage=name, key=name, path=name, sha256="0" * 64, reused=False, **counts)
        for name in ("data", "asr", "both")
    }
    pools = {pool.entry.texts.stage: pool for pool in find_pools(parse_pipeline(graph), stages)}
    assert pools["both"].inputs == (stages["asr"],)
