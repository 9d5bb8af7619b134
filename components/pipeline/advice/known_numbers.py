"""The numbers that a node can decide by: those of what it reads, as far as they are known before a run."""

from __future__ import annotations

from collections.abc import Iterator

from components.nodes.measures import CONFIDENCE, FEATURES, MEASURES, RAW, computed_features, limits_of
from components.number_ranges import describe_fault
from components.pipeline.checks import AddFault
from components.pipeline.pipeline import Node, Pipeline
from components.text.suggestions import suggest


def check_numbers(pipeline: Pipeline, node: Node, note: AddFault) -> None:
    """Report numbers that the input of a node cannot have, and thresholds that they cannot reach."""
    fault = find_unknown_number(pipeline, node) if node.of else None
    if fault is not None:
        note(("nodes", node.name, "by"), f"{node.name}.by: {fault}")
    for setting, fault in find_impossible_thresholds(pipeline, node):
        note(("nodes", node.name, setting), f"{node.name}.{setting}: {fault}")


def find_unknown_number(pipeline: Pipeline, node: Node) -> str | None:
    """Return what is wrong with a number that a node decides by; None where its input can have all of them.

    Where a node above gives features that nobody knows before it runs, such as those of ``python`` and
    ``command``, every name may be right.
    """
    sort = pipeline.type_of(node.of[0])
    written = written_features(pipeline, node.of[0])
    if written is None:
        return None
    scored = sort != "text" or pipeline.nodes[node.of[0]].facts.has_tokens
    own = FEATURES if scored else ("n_tokens", "n_best")  # the score of a perturbed text, 0, says nothing
    known = {"text": (*MEASURES, *own, *written), "table": (*MEASURES, "value", CONFIDENCE)}
    options: tuple[str, ...] = known.get(sort, tuple(MEASURES))
    prefixes = tuple(name for name in options if name.endswith(":"))
    numbers = (name for name in node.facts.numbers if not name.startswith(prefixes))
    unknown = [name for name in numbers if name not in options]
    if unknown and sort == "text":
        computed = computed_features(scored=scored)
        options = tuple(dict.fromkeys((*(name for name in options if name not in prefixes), *computed)))
        unknown = [name for name in unknown if name not in options]
    if not unknown:
        return None
    return f"expected a number of {node.display_names[0]}, found {unknown[0]}{suggest(unknown[0], options)}"


def find_impossible_thresholds(pipeline: Pipeline, node: Node) -> Iterator[tuple[str, str]]:
    """Yield the settings with a threshold that a number cannot be on one side of, and what is wrong."""
    reads_table = bool(node.of) and pipeline.type_of(node.of[0]) == "table"
    for setting, (name, threshold) in node.facts.thresholds.items():
        if reads_table and name not in MEASURES:
            continue  # the numbers of a table have any range
        fault = describe_fault(name, limits_of(name), threshold)
        if fault is not None:
            hint = f"; {CONFIDENCE}, exp({RAW}), is 0 to 1" if name == RAW else ""
            yield setting, fault + hint


def written_features(pipeline: Pipeline, name: str) -> set[str] | None:
    """Return the features that the hypotheses of a node may have; None where that is not known."""
    if pipeline.type_of(name) != "text":
        return set()
    node = pipeline.nodes[name]
    own = node.facts.features
    if own is None:
        return None
    features = set(own)
    for input_name in () if node.translates or not node.facts.has_tokens else node.of:
        above = written_features(pipeline, input_name)
        if above is None:
            return None
        features |= above
    return features
