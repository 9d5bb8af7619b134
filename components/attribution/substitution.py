"""Error attribution by oracle substitution: the graphs in which nodes are replaced by their gold output.

Gold output is known for transcripts and for texts in the target language. What is replaced are the
transcripts that are translated, and any translation above the output that all of it depends on, such as a
draft.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from components.attribution.attribution import list_gold_parts
from components.attribution.cascade_attribution import SEGMENTATION, gold_parts_name
from components.attribution.oracle_repair import ERROR_KINDS, FORM, WORD_ERRORS
from components.errors import ConfigError
from components.nodes.kind import KINDS as NODE_KINDS
from components.pipeline.pipeline import DATA, TARGET, Node, Pipeline
from components.pipeline.rewriting import (
    insert_after,
    names_in_union,
    rename_nodes,
    switch_data,
)
from components.pipeline.written import definition_of

GOLD, SEGMENTS = "gold", "gold-segments"
"""Suffixes of the names of inserted nodes; the second also names the segments as a data set."""
PARTS = {"words": WORD_ERRORS, "form": (FORM,)}
"""Parts of a transcript that are corrected on their own and together -> their kinds of errors."""


@dataclass(frozen=True)
class Chain:
    """The nodes of a pipeline whose gold output is known, from the transcripts to the output.

    Attributes:
        transcripts: texts of speech that something else than a recognizer reads, first to last.
        drafts: translations that everything in the output depends on.
        output: the node that is scored as the translation.
        rest: the written nodes below them, the output last.
    """

    transcripts: tuple[str, ...]
    drafts: tuple[str, ...]
    output: str
    rest: tuple[str, ...]


def chain_of(pipeline: Pipeline, stages: Container[str]) -> Chain:
    """Return what can be corrected in a finished run.

    Args:
        pipeline: that of the run.
        stages: names of the nodes that have a finished stage.

    Raises:
        ConfigError: it gives no translation, or nothing above it has a known gold output.
    """
    output = pipeline.outputs.get("translation")
    if output is None:
        raise ConfigError("expected a translation that is scored, found a pipeline of transcripts alone")
    above = texts_above(pipeline, output)
    translating = [name for name in (*above, output) if not pipeline.is_spoken(name)]
    read = {name for reader in translating for name in pipeline.nodes[reader].of}
    spoken = [name for name in above if pipeline.is_spoken(name) and name in read]
    transcripts = tuple(name for name in spoken if name in stages)
    drafts = tuple(name for name in above if _is_draft(pipeline, name, output) and name in stages)
    if not transcripts and not drafts:
        missing = f"no stage {' or '.join(spoken)}" if spoken else "nothing"
        raise ConfigError(f"expected a run of speech, found {missing} above {output} whose gold is known")
    last = drafts[-1:] or transcripts
    corrected = {*last, *(ancestor for name in last for ancestor in texts_above(pipeline, name))}
    below = {name for name in (*above, output) if name not in corrected}
    names = [definition_of(pipeline, name) for name in (*above, output) if name in below]
    rest = [name for name in names if not pipeline.definitions or name in pipeline.definitions]
    return Chain(transcripts, drafts, output, tuple(dict.fromkeys(rest)))


def texts_above(pipeline: Pipeline, name: str) -> list[str]:
    """Return the text nodes that a node's text is made from, in the order of the pipeline."""
    sources = {name}
    for node in reversed(list(pipeline)):
        if node.name in sources:
            sources |= set(node.of)
    return [n.name for n in pipeline if n.name in sources - {name} and n.kind.output == "text"]


def _is_draft(pipeline: Pipeline, name: str, output: str) -> bool:
    """Return whether a node is a translation of the data that every path to the output leads through."""
    if pipeline.language_of(name) not in (TARGET, pipeline.languages[1]):
        return False
    reached: set[str] = {DATA}
    for node in pipeline:
        if node.name != name and (pipeline.is_data(node.name) or reached & set(node.of)):
            reached.add(node.name)
    return output not in reached


def list_attributed_stages(chain: Chain, *, segments: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the stages that errors are attributed to, but for the last, with their parts."""
    cut = {SEGMENTATION: (SEGMENTATION,)} if segments else {}
    spoken = {" and ".join(chain.transcripts): tuple(PARTS)} if chain.transcripts else {}
    return {**cut, **spoken, **dict.fromkeys(chain.drafts, ())}


def variants_of(pipeline: Pipeline, chain: Chain, segments: str | None = None) -> dict[str, Pipeline]:
    """Return, by name, the pipeline with every set of parts corrected that an attribution needs.

    Args:
        pipeline: that of the run.
        chain: what can be corrected.
        segments: a manifest of the same recordings cut by hand.
    """
    stages = list_attributed_stages(chain, segments=segments is not None)
    variants = {}
    for parts in list_gold_parts(stages)[1:]:
        errors = tuple(kind for part, kinds in PARTS.items() if part in parts for kind in kinds)
        spoken = dict.fromkeys(chain.transcripts, errors) if errors else {}
        drafts: dict[str, tuple[str, ...]] = {name: () for name in chain.drafts if name in parts}
        # What was said is the same whoever cut the recording.
        cut = SEGMENTATION in parts and not parts >= set(PARTS)
        variants[gold_parts_name(parts, stages)] = _correct(
            _resegment(pipeline, chain, str(segments)) if cut else pipeline, chain, {**spoken, **drafts}
        )
    for kind in ERROR_KINDS if chain.transcripts else ():
        if (kind,) not in PARTS.values():
            variants[kind.replace(" ", "-")] = _correct(
                pipeline, chain, dict.fromkeys(chain.transcripts, (kind,))
            )
    return variants


def _correct(pipeline: Pipeline, chain: Chain, replaced: Mapping[str, tuple[str, ...]]) -> Pipeline:
    """Return the pipeline up to its translation with errors of some nodes' texts corrected.

    Args:
        pipeline: the graph.
        chain: its chain.
        replaced: node -> the kinds of errors; () for all.
    """
    corrected = pipeline
    only_changed = len(replaced) == 1
    for name, errors in replaced.items():
        recut = f"{name}-{SEGMENTS}"
        after = recut if recut in corrected.nodes else name
        settings = {"errors": errors, "only_changed": only_changed and after == name}
        gold = _make_node("oracle", f"{name}-{GOLD}", (after,), **settings)
        corrected = insert_after(corrected, after, gold)
    return corrected.subgraph_of(chain.output)


def _resegment(pipeline: Pipeline, chain: Chain, source: str) -> Pipeline:
    """Return the pipeline with its transcripts made from the gold segments of its recordings."""
    pieces = _make_node("data", SEGMENTS, (), source=source)
    rewritten = pipeline
    for name in chain.transcripts:
        above = pipeline.subgraph_of(name)
        names = names_in_union(SEGMENTS, above)
        copy = rename_nodes(switch_data(above, pieces), names)
        rewritten = Pipeline({**copy.nodes, **rewritten.nodes}, rewritten.outputs, rewritten.languages)
        of = (name, DATA, SEGMENTS, names[name])
        rewritten = insert_after(rewritten, name, _make_node("join_segments", f"{name}-{SEGMENTS}", of))
    return rewritten


def _make_node(kind: str, name: str, of: tuple[str, ...], **settings: Any) -> Node:
    row = NODE_KINDS[kind]
    return Node(name=name, kind=row, settings=row.settings.model_validate(settings), of=of)
