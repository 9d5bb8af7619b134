"""What a user waits for before anything is computed: commands that only show something import little."""

from __future__ import annotations

from pathlib import Path

from components.storage.store import Store
from flows.registry import FLOWS
from tests.components.storage.test_store import record
from tests.fresh_process import run_python

HEAVY = {"torch", "transformers", "whisper", "prefect", "matplotlib", "scipy.stats"}


def test_commands_that_show_import_nothing_that_computes(tmp_path: Path) -> None:
    Store(str(tmp_path)).save_run(record("mine"))
    graph = tmp_path / "gold.yaml"
    graph.write_text("data: sample\nlimit: 1\nnodes: {en: {kind: oracle, of: data}}\n", encoding="utf-8")
    commands = [
        ["--help"],
        ["--version"],
        *(["run", flow, option] for flow in FLOWS for option in ("--parameters", "--template", "--help")),
        ["models", "list"],
        ["claim", "list"],
        ["init", str(tmp_path / "new.yaml"), "--data", "sample"],
        ["runs", "--store", str(tmp_path)],
        ["runs", "show", "mine", "--store", str(tmp_path)],
        ["store", "usage", "--store", str(tmp_path)],
        ["inspect", "mine", "--store", str(tmp_path)],
        ["plan", str(graph), "--store", str(tmp_path)],
    ]
    code = (
        "import sys\n"
        "from flows.cli.main import main\n"
        f"for command in {commands!r}:\n"
        "    try: main(command)\n"
        "    except SystemExit as ending: assert not ending.code, command\n"
        f"    heavy = {HEAVY!r} & sys.modules.keys()\n"
        "    assert not heavy, (command, heavy)\n"
    )
    printed = run_python(code)
    assert "mt.beam_size" in printed
    assert "WER" in printed


def test_whisper_and_a_merge_start_without_transformers_and_prefect() -> None:
    """A notebook user may not have Prefect; transformers takes three seconds to import."""
    run_python(
        "import sys; sys.modules['prefect'] = None\n"
        "import components.merging.merge\n"
        "import components.recognition.factory, components.recognition.backends.whisper.model\n"
        "heavy = {'transformers', 'scipy.optimize'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
