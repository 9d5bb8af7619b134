"""`antiphon compare --shadow`: two graphs that `antiphon serve` let answer the same requests."""

from __future__ import annotations

import json
import sys


def print_shadow(name: str, corrected: str | None, store_url: str | None, *, as_json: bool) -> int:
    """Print how far a served graph and its shadow agree, and which is better; returns the exit code.

    Args:
        name: of the served graph.
        corrected: a run of the kept requests that was corrected by hand; None: there is none.
        store_url: of the store.
        as_json: whether the last line of standard output is one JSON object.

    Raises:
        ConfigError: the store is no folder, or has no such run, or one without corrections.
        DataError: no request was answered by both.
    """
    from components.editing.kinds.edit_from_file import EditFromFile
    from components.errors import ConfigError
    from components.serving.kept_data import KeptRequests
    from components.serving.shadow_comparison import compare_shadow
    from components.storage.places.location import local_root
    from components.storage.stages.reader import read_best_texts
    from components.storage.store import Store
    from components.text.suggestions import suggest
    from flows.cli.help.console import console
    from reports.terminal.analysis_printing import print_tables

    root = local_root(store_url)
    if root is None:
        raise ConfigError("--store: expected a store in a folder, found object storage")
    kept = KeptRequests(root, name)
    if not kept.folder.is_dir():
        hint = suggest(name, sorted(path.name for path in kept.folder.parent.glob("*")))
        raise ConfigError(f"--shadow: expected a graph with kept requests, found none of {name}{hint}")
    texts: dict[str, dict[str, str]] | None = None
    if corrected is not None:
        store = Store(store_url)
        run = store.load_run(corrected)
        by_hand = {node.name for node in run.pipeline.nodes if node.kind == EditFromFile.name}
        outputs = {role: node for role, node in run.pipeline.outputs.items() if node in by_hand}
        if not outputs:
            raise ConfigError(
                f"--corrected: expected a run whose transcript or translation was corrected by hand, found "
                f"{corrected}, whose texts are a model's; `antiphon edit {corrected} NODE` makes one"
            )
        stages = {ref.stage: store.localize(ref) for ref in run.stages}
        texts = {role: read_best_texts(stages[node]) for role, node in outputs.items()}
    tables = compare_shadow(kept.read_shadow(), texts)
    print_tables(tables, console())
    if as_json:
        sys.stdout.write(json.dumps({"tables": [table.to_json() for table in tables]}) + "\n")
    return 0
