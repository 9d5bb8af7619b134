"""Pipelines made of pipelines: nothing but what was asked for changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import ConfigError
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.rewriting import (
    insert_after,
    make_prefixes,
    names_in_union,
    rename_nodes,
    replace_nodes,
    unite,
    update_node,
    values_of,
)

LANGUAGES = ("fr", "es", "it", "pt", "nl")


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Recognizers, perhaps ROVER, then translators of any text before them, perhaps rounds."""
    nodes: dict[str, dict[str, Any]] = {}
    recognizers = draw(st.integers(1, 3))
    for number in range(recognizers):
        nodes[f"asr-{number}"] = {"kind": "recognize", "n_best": number + 1}
    if recognizers > 1 and draw(st.booleans()):
        nodes["asr"] = {"kind": "combine", "of": list(nodes)}
    above = list(nodes)
    for number in range(draw(st.integers(0, 4))):
        of = draw(st.sampled_from(above))
        nodes[f"mt-{number}"] = {"kind": "translate", "of": of, "to": LANGUAGES[number]}
        above.append(f"mt-{number}")
    if draw(st.booleans()):
        nodes["revised"] = {
            "kind": "refine",
            "of": draw(st.sampled_from(above)),
            "rounds": draw(st.integers(1, 3)),
        }
    return read_pipeline({"nodes": nodes, "source_language": "en", "target_language": "de"})


def shape(pipeline: Pipeline) -> dict[str, Any]:
    return {node.name: (node.kind.name, node.settings, dict(node.reads), node.to) for node in pipeline}


@settings(max_examples=25)
@given(pipelines())
def test_what_is_written_is_read_again_as_it_was(pipeline: Pipeline) -> None:
    again = read_pipeline(values_of(pipeline))
    assert shape(again) == shape(pipeline)
    assert again.outputs == pipeline.outputs


@settings(max_examples=25)
@given(pipelines())
def test_renaming_and_back_is_nothing(pipeline: Pipeline) -> None:
    names = names_in_union("other", pipeline)
    renamed = rename_nodes(pipeline, names)
    assert not set(renamed.nodes) & set(pipeline.nodes)
    back = rename_nodes(renamed, {new: old for old, new in names.items()})
    assert shape(back) == shape(pipeline)
    assert back.outputs == pipeline.outputs
    for name in pipeline.nodes:
        assert renamed.language_of(names[name]) == pipeline.language_of(name)


@settings(max_examples=25)
@given(st.lists(pipelines(), min_size=1, max_size=3))
def test_a_union_is_its_systems_side_by_side(systems: list[Pipeline]) -> None:
    named = {f"s{number}": one for number, one in enumerate(systems)}
    union = unite(named)
    assert len(union.nodes) == sum(len(one.nodes) for one in systems)
    for system, pipeline in named.items():
        names = names_in_union(system, pipeline)
        back = {new: old for old, new in names.items()}
        part = {name: node for name, node in union.nodes.items() if name in back}
        assert shape(rename_nodes(Pipeline(part, {}, union.languages), back)) == shape(pipeline)
    seen = {DATA}
    for node in union:  # each after those that it reads
        assert set(node.reads.values()) <= seen
        seen.add(node.name)


@settings(max_examples=25)
@given(pipelines(), st.data())
def test_an_inserted_node_is_read_by_all_who_read_the_one_before(
    pipeline: Pipeline, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(list(pipeline.nodes)))
    gold = read_pipeline(
        {"nodes": {"before": {"kind": "recognize"}, "gold": {"kind": "oracle", "of": "before"}}}
    ).nodes["gold"]
    inserted = rename_nodes(Pipeline({"gold": gold}), {"before": name}).nodes["gold"]
    changed = insert_after(pipeline, name, inserted)
    assert changed.nodes["gold"].of == (name,)
    for node in pipeline:
        after = changed.nodes[node.name]
        expected = {role: "gold" if read == name else read for role, read in node.reads.items()}
        assert dict(after.reads) == expected
        assert after.settings == node.settings
    assert set(changed.outputs.values()) == {
        "gold" if output == name else output for output in pipeline.outputs.values()
    }


def test_a_node_that_stands_for_several_is_expanded_anew() -> None:
    nodes = {
        "asr": {"kind": "recognize"},
        "mt": {"kind": "translate", "of": "asr"},
        "refine": {"kind": "refine", "of": "mt", "rounds": 3},
    }
    fewer = update_node(read_pipeline({"nodes": nodes}), "refine", rounds=2)
    assert list(fewer.nodes) == ["asr", "mt", "refine-1", "refine-2"]
    assert fewer.outputs == {"transcript": "asr", "translation": "refine-2"}
    with pytest.raises(ConfigError, match="there is no node 'nt'"):
        replace_nodes(read_pipeline({"nodes": nodes}), {"refine": {"kind": "refine", "of": "nt"}})


@settings(max_examples=25)
@given(st.lists(st.text("ABab._-019 é", min_size=1, max_size=12), unique=True, max_size=6))
def test_every_system_has_a_prefix_of_its_own_that_names_can_begin_with(systems: list[str]) -> None:
    result = make_prefixes(systems)
    assert len(set(result.values())) == len(systems)
    for prefix in result.values():
        assert prefix[0].isascii()
        assert prefix[0].isalpha()
        assert prefix == prefix.lower()


def test_languages_of_systems_that_are_run_as_one_agree() -> None:
    nodes = {"asr": {"kind": "recognize"}}
    one, other = (read_pipeline({"nodes": nodes, "target_language": code}) for code in ("de", "fr"))
    with pytest.raises(ConfigError, match="one source and target language"):
        unite({"one": one, "other": other})


def test_tables_of_other_nodes_are_renamed_with_them() -> None:
    learned = {
        "kind": "translate",
        "members": ["store:a", "store:b"],
        "combine": {"learn": "constants", "dev": "sample"},
    }
    union = unite({"one": read_pipeline({"nodes": {"mt": learned}})})
    assert list(union.nodes) == ["one--mt-dev", "one--mt-coefficients", "one--mt"]
    assert union.nodes["one--mt"].reads == {"of0": "data", "learned": "one--mt-coefficients"}


def test_a_setting_that_reads_like_the_name_of_a_table_stays() -> None:
    mt = {"kind": "translate", "beam_size": 3}
    nodes = {
        "dev": {"kind": "data", "source": "sample"},
        **{
            "one": mt,
            "dev-one": {**mt, "of": "dev"},
            "two": mt | {"beam_size": 2},
            "dev-two": {"kind": "translate", "of": "dev"},
        },
        "reranking": {"kind": "fit_reranker", "of": ["dev-one", "dev-two"], "method": "reranking"},
        "pick": {"kind": "combine", "of": ["one", "two"], "method": "reranking", "tuned": "reranking"},
    }
    pick = unite({"a": read_pipeline({"nodes": nodes})}).nodes["a--pick"]
    assert pick.settings.model_dump(include={"method", "tuned"}) == {
        "method": "reranking",
        "tuned": "a--reranking",
    }
