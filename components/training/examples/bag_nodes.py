"""``bags: N`` of a translator or recognizer: a bagged ensemble (Breiman 1996), written out as its trainings.

A node ``{kind: translate, model: node:NAME, bags: 3}`` stands for three copies of the training NAME, each of
which learns from a bootstrap sample of its own, and for their ensemble. NAME itself is trained only if
something else reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.pipeline.reading.faults import Faults

KEY, NODE = "bags", "node:"
MOST = 16


def add_bags(written: Mapping[str, dict[str, Any]], faults: Faults) -> dict[str, dict[str, Any]]:
    """Return the nodes of a file with the trainings that ``bags`` stands for."""
    nodes: dict[str, dict[str, Any]] = {}
    replaced = set()
    for name, values in written.items():
        if KEY not in values or values.get("kind") not in ("translate", "recognize"):
            nodes[name] = values
            continue
        own, count = {key: value for key, value in values.items() if key != KEY}, values[KEY]
        maker = str(values.get("model", "")).removeprefix(NODE)
        training = written.get(maker, {})
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST:
            faults.add(("nodes", name, KEY), f"{name}.{KEY}: expected 2 to {MOST} trainings, found {count!r}")
        elif training.get("kind") != "train" or "bag" in training:
            faults.add(
                ("nodes", name, "model"),
                f"{name}.{KEY}: expected model node:NAME of a node of kind train without bag, found "
                f"{values.get('model')!r}",
            )
        else:
            copies = {f"{maker}--bag{number}": number for number in range(1, count + 1)}
            first = f"{maker}--bag1"
            shares = {"init_from", "tokenizer"} & set(training)
            for copy, number in copies.items():
                vocabulary = {} if shares or copy == first else {"tokenizer": NODE + first}
                nodes.setdefault(copy, {**training, **vocabulary, "bag": number})
                faults.source_keys.setdefault(copy, ("nodes", maker))
            members = [NODE + copy for copy in copies if copy != first]
            own |= {"model": NODE + first, "members": [*members, *values.get("members", ())]}
            replaced.add(maker)
        nodes[name] = own
    for maker in replaced:
        if not any(f"{NODE}{maker}" in _texts(values) for values in nodes.values()):
            nodes.pop(maker, None)
    return nodes


def _texts(value: Any) -> set[str]:
    """Return the texts in the values of a node, references of checkpoints without their step."""
    if isinstance(value, str):
        return {value.partition("@")[0]}
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return {text for part in parts for text in _texts(part)}
