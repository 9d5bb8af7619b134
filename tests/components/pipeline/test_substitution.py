"""Which nodes of a pipeline can be put right, and the graphs that do it."""

from __future__ import annotations

from typing import Any

import pytest

from components.attribution.oracle_repair import ERROR_KINDS, WORD_ERRORS
from components.attribution.substitution import chain_of, list_attributed_stages, variants_of
from components.errors import ConfigError
from components.pipeline.pipeline import Pipeline
from components.pipeline.reading.reader import read_pipeline

ASR: dict[str, Any] = {"kind": "recognize"}


def graph(**nodes: dict[str, Any]) -> Pipeline:
    return read_pipeline({"nodes": nodes, "target_language": "de"})


def translate(of: str, **more: str) -> dict[str, Any]:
    return {"kind": "translate", "of": of, **more}


CASCADE = graph(asr=ASR, mt=translate("asr"))
REVISED = graph(asr=ASR, mt=translate("asr"), final={"kind": "refine", "of": "mt", "rounds": 2})


def test_the_transcript_that_is_translated_is_put_right_in_parts() -> None:
    chain = chain_of(CASCADE, CASCADE.nodes)
    assert (chain.transcripts, chain.drafts, chain.rest) == (("asr",), (), ("mt",))
    variants = variants_of(CASCADE, chain)
    assert list(variants)[:3] == ["words", "form", "words+form"]
    assert len(variants) == 3 + len(WORD_ERRORS)
    gold = variants["words"].nodes["asr-gold"]
    assert gold.settings.model_dump() == {"errors": WORD_ERRORS, "only_changed": True}
    assert variants["words"].nodes["mt"].of == ("asr-gold",)
    assert set(variants["words+form"].nodes["asr-gold"].settings.model_dump()["errors"]) == set(ERROR_KINDS)


def test_a_draft_that_all_of_the_output_comes_through_is_put_right_as_a_whole() -> None:
    chain = chain_of(REVISED, REVISED.nodes)
    assert (chain.transcripts, chain.drafts, chain.rest) == (("asr",), ("mt",), ("final",))
    assert list_attributed_stages(chain) == {"asr": ("words", "form"), "mt": ()}
    variants = variants_of(REVISED, chain)
    both = variants["words+form+mt"].nodes
    assert both["final-1"].of == ("mt-gold",)
    assert both["final-1"].origin == "asr-gold"
    assert not both["mt-gold"].settings.model_dump()[
        "only_changed"
    ]  # what is right in one may not be in the other
    alone = variants["mt"].nodes
    assert (alone["mt"].of, alone["mt-gold"].of, alone["final-2"].of) == (
        ("asr",),
        ("mt",),
        ("mt-gold", "final-1"),
    )
    assert alone["mt-gold"].settings.model_dump() == {"errors": (), "only_changed": True}


def test_of_written_data_the_draft_alone_is_put_right() -> None:
    chain = chain_of(REVISED, [name for name in REVISED.nodes if name != "asr"])
    assert list(variants_of(REVISED, chain)) == ["mt"]


def test_a_pivot_and_one_of_several_ways_have_no_gold_that_counts() -> None:
    pivot = graph(asr=ASR, fr=translate("asr", to="fr"), mt=translate("fr"))
    assert chain_of(pivot, pivot.nodes).drafts == ()
    assert chain_of(pivot, pivot.nodes).rest == ("fr", "mt")
    voted = graph(
        asr=ASR, one=translate("asr"), two=translate("asr"), mt={"kind": "combine", "of": ["one", "two"]}
    )
    assert chain_of(voted, voted.nodes).drafts == ()
    assert chain_of(voted, voted.nodes).rest == ("one", "two", "mt")


def test_the_transcript_that_is_voted_or_chosen_is_put_right_not_what_it_was_made_of() -> None:
    voted = graph(
        a=ASR, b={**ASR, "beam_size": 2}, asr={"kind": "combine", "of": ["a", "b"]}, mt=translate("asr")
    )
    assert chain_of(voted, voted.nodes).transcripts == ("asr",)
    apart = graph(
        a=ASR,
        b={**ASR, "beam_size": 2},
        one=translate("a"),
        two=translate("b"),
        mt={"kind": "combine", "of": ["one", "two"]},
    )
    chain = chain_of(apart, apart.nodes)
    assert list(list_attributed_stages(chain)) == ["a and b"]
    form = variants_of(apart, chain)["form"].nodes
    assert (form["one"].of, form["two"].of) == (("a-gold",), ("b-gold",))


def test_gold_segments_are_recognized_by_what_recognizes_the_recordings() -> None:
    chain = chain_of(CASCADE, CASCADE.nodes)
    variants = variants_of(CASCADE, chain, "pieces.jsonl")
    cut = variants["segmentation"].nodes
    assert cut["gold-segments--asr"].of == ("gold-segments",)
    assert cut["gold-segments--asr"].settings == cut["asr"].settings
    assert cut["asr-gold-segments"].of == ("asr", "data", "gold-segments", "gold-segments--asr")
    assert cut["mt"].of == ("asr-gold-segments",)
    assert "asr-gold" not in cut
    assert variants["segmentation+words"].nodes["asr-gold"].of == ("asr-gold-segments",)
    whole, both = variants["segmentation+words+form"].nodes, variants["words+form"].nodes
    assert list(whole) == list(both)  # what was said is the same whoever cut the recording


def test_what_has_no_gold_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="found a pipeline of transcripts alone"):
        chain_of(graph(asr=ASR), ["asr"])
    with pytest.raises(ConfigError, match="expected a run of speech, found no stage asr above mt"):
        chain_of(CASCADE, ["mt"])
