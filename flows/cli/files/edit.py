"""`antiphon edit`: corrections by hand of a finished run's texts; what lies below them runs again."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigError
from flows.cli.help.options import AsJson, Replace, StoreUrl
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from components.editing.edited_files import Edits
    from components.run_record import NodeRecord, RunRecord
    from components.storage.store import Store

PANEL = "Use"

_NUMBERED = re.compile(r"(.+)-edited(?:-(\d+))?")


def edit(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a finished run")],
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="whose texts were edited, such as asr or mt")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="edited .tsv, .docx, .jsonl or .srt file, or a folder of .srt"
        ),
    ] = None,
    lessons: Annotated[
        Path | None,
        typer.Option("--lessons", metavar="DIR", help="write what the corrections of RUN teach, run nothing"),
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="lessons: times a term was replaced")
    ] = 2,
    unchanged_right: Annotated[
        bool, typer.Option("--unchanged-right", help="all other texts were read, too, and are right")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="who; the system's user")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="name of the new run; RUN-edited")
    ] = None,
    store: StoreUrl = None,
    replace: Replace = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="run own code of RUN's graph, if it has any")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Correct texts by hand; a new run follows from them.

    The corrections stay in the store, with who made them, when, and what the texts were before; the edited
    file is not needed any more. RUN stays as it is. Editing a run that was edited adds to its corrections.

    For example:

    - `antiphon export RUN --node asr --for-edit --out asr.tsv` writes the texts of the node `asr`; edit the
      column `text`.

    - `antiphon edit RUN asr --from asr.tsv` makes the run RUN-edited, in which `asr-edited` follows `asr`.

    - `antiphon export RUN --node asr --for-edit --format srt --out subtitles`, and `--from subtitles`: a file
      per recording, whose cues may be corrected, split, merged and moved.

    - `antiphon edit RUN-edited --lessons DIR` writes training pairs, transcripts, examples for prompts, terms
      and calibration points of all corrections so far (docs/use/editing.md).
    """
    if allow_code:
        from components.own_code.code_permission import allow_own_code

        allow_own_code()
    if lessons is not None and node is None and source is None:
        from flows.cli.files.edit_lessons import write_lessons

        write_lessons(run, lessons, min_count, store, unchanged_right=unchanged_right, as_json=as_json)
        return
    if node is None or source is None or lessons is not None:
        raise ConfigError("expected NODE and --from FILE, or --lessons DIR alone")
    switches = {"unchanged_right": unchanged_right, "replace": replace, "as_json": as_json}
    raise typer.Exit(run_edited(run, node, source, by, name, store, **switches))


def run_edited(  # noqa: PLR0913 - what the command line gives
    run_name: str,
    node_name: str,
    source: Path,
    by: str | None,
    name: str | None,
    store_url: str | None,
    *,
    unchanged_right: bool,
    replace: bool,
    as_json: bool,
) -> int:
    """Store the corrections in a file and run what they change; returns the exit code.

    Raises:
        AntiphonError: the run works still, the file does not fit it, or what the flow raised.
    """
    from components.storage.store import Store, check_run_name
    from flows.cli.compute.run import call_flow, print_result
    from flows.cli.compute.run_display import display_run
    from flows.parameters.base import DataParameters
    from flows.registry import flow_named
    from flows.server.server_process import start_importing

    store = Store(store_url)
    run = store.load_run(run_name)
    entry = flow_named(run.flow)
    if not issubclass(entry.parameters, DataParameters) or not run.pipeline.nodes:
        raise ConfigError(
            f"run {run_name}: expected a run of one pipeline over data, found one of {run.flow}"
        )
    check_data_of(run, store_url)
    name = check_run_name(name or name_of_edit(run_name, store))
    parameters = make_parameters(run, node_name, source, by, store, unchanged_right=unchanged_right)
    server = start_importing()
    update = {"name": name, "store": store_url, "replace": replace}
    checked = entry.parameters.model_validate({**parameters, **update})
    with display_run() as display:
        ended = call_flow(entry, checked, server, display)
    return ended if isinstance(ended, int) else print_result(ended, store_url, as_json=as_json)


def check_data_of(run: RunRecord, store_url: str | None) -> None:
    """Refuse, before corrections are stored, a run whose data cannot be read from here.

    Raises:
        ConfigError: they are not there; a relative path may be that of another folder.
    """
    from components import data as sets
    from components.errors import DataError
    from components.storage.places.location import find_in_store

    values = map(run.parameters.get, ("data", "audio", "source_language", "target_language"))
    source, audio, *languages = (None if value is None else str(value) for value in values)
    try:
        if audio is not None:
            sets.check_audio(audio)
        elif source is not None:
            sets.check(str(find_in_store(source, store_url)), *languages)
    except DataError as error:
        raise ConfigError(
            f"data: {error}; a relative path begins where run {run.name} was started: edit it there"
        ) from None


def make_parameters(
    run: RunRecord, node_name: str, source: Path, by: str | None, store: Store, *, unchanged_right: bool
) -> dict[str, object]:
    """Store the corrections in a file and return the parameters of a run that has them."""
    from pydantic import TypeAdapter

    from components.editing.corrections_stage import store_corrections
    from components.editing.run_texts import node_to_edit
    from components.pipeline.node_edit import NodeEdit
    from components.pipeline.steps.editing import SUFFIX, check_editable
    from flows.registry import pipeline_of

    node = node_to_edit(run, node_name)
    base = node.name.removesuffix(SUFFIX)
    check_editable(pipeline_of(run), base)
    edits = read_edits_of(run, node, source, by or system_user(), unchanged_right=unchanged_right)
    recorded = TypeAdapter(tuple[NodeEdit, ...]).validate_python(run.parameters.get("edits", ()))
    earlier = {each.node: each for each in recorded}
    before = earlier[base].corrections if base in earlier else None
    stage = store_corrections(store, base, edits.corrections, before)
    earlier[base] = NodeEdit(node=base, corrections=stage.key)
    return {**run.parameters, "edits": [each.model_dump() for each in earlier.values()]}


def system_user() -> str:
    """Return the name of the user whose process this is.

    Raises:
        ConfigError: the system knows none, as in a container that runs under some number.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the first before Python 3.13
        raise ConfigError(
            "--by: expected a name, since the system has none for this user, found none"
        ) from None


def read_edits_of(
    run: RunRecord, node: NodeRecord, source: Path, by: str, *, unchanged_right: bool = False
) -> Edits:
    """Return what a file changes in a node's texts, and print how it was read."""
    from components.editing.correction import count_corrections
    from components.editing.edited_files import Origin, read_edits
    from components.editing.run_texts import language_of_texts, texts_of_node
    from components.files.files import utc_now
    from components.text.counted_nouns import format_count

    key = next(ref.key for ref in run.stages if ref.stage == node.name)
    texts = texts_of_node(run, node)
    origin, language = Origin(node.name, key, by, utc_now()), language_of_texts(node, texts)
    edits = read_edits(source, texts, origin, language, unchanged_right=unchanged_right)
    for note in edits.notes:
        print_notice(note)
    counts = count_corrections(edits.corrections)
    print_notice(f"of {format_count(len(texts), 'text')} of {node.name} {counts}")
    return edits


def name_of_edit(run_name: str, store: Store) -> str:
    """Return RUN-edited, or with the first number that no run has."""
    match = _NUMBERED.fullmatch(run_name)
    stem = f"{match[1] if match else run_name}"[:80] + "-edited"
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(each for each in names if not store.backend.has_run(each))
