"""`antiphon claim`: a claim of the field, asked of one's own models and data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.help.options import AsJson

PANEL = "Judge"


def claim(  # noqa: PLR0913, PLR0917 - its flags
    name: Annotated[str, typer.Argument(metavar="NAME", help="of the claim, or list")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="models after the first")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--models", metavar="A B C", help="models: packaged:NAME, folders ...")
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="SET", help="on which the answer is judged")] = "",
    dev: Annotated[str, typer.Option("--dev", metavar="SET", help="on which something is chosen")] = "",
    source: Annotated[
        str | None, typer.Option("--source-language", metavar="CODE", help="the data's own if omitted")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target-language", metavar="CODE", help="the data's own if omitted")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="only the first so many utterances of each set"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.md", help="page; default claim-NAME.md")
    ] = None,
    work: Annotated[Path, typer.Option("--work", metavar="FOLDER", help="decodings, used again")] = Path(
        "claim-work"
    ),
    as_json: AsJson = False,
) -> None:
    """Ask a claim of the field of your own models and data: the same comparison, test and verdict as ours.

    `antiphon claim list` names the claims and what each needs. docs/evidence.md has our answers. Examples:

    - `antiphon claim ensembling --models A B C --dev dev.jsonl --data test.jsonl`

    - `antiphon claim cost --models A B --data test.jsonl`
    """
    if name == "list":
        _list(as_json)
        return
    _ask(name, (*(models or ()), *(more or ())), (data, dev), (source, target), limit, (out, work), as_json)


def _list(as_json: bool) -> None:
    from components.claims.question import QUESTIONS

    questions = {name: QUESTIONS[name] for name in sorted(QUESTIONS)}
    if as_json:
        rows = {
            name: {
                "claim": each.claim.claim,
                "models": each.models,
                "least": each.least,
                "most": each.most,
                "needs_dev": each.needs_dev,
            }
            for name, each in questions.items()
        }
        typer.echo(json.dumps({"claims": rows}))
        return
    for name, each in questions.items():
        needs = f"{each.count} {each.models}{', --dev' if each.needs_dev else ''}"
        typer.echo(f"{name:20} {each.claim.claim}\n{'':20} needs {needs}")


def _ask(
    name: str,
    models: tuple[str, ...],
    sets: tuple[str, str],
    languages: tuple[str | None, str | None],
    limit: int | None,
    places: tuple[Path | None, Path],
    as_json: bool,
) -> None:
    from components.claims.answer import ask, write_answer
    from components.claims.question import QUESTIONS, Systems
    from components.claims.systems.workbench import Workbench
    from components.compute.device import use_threads
    from components.data import load
    from components.errors import ConfigError
    from components.files.files import write_atomically
    from components.text.suggestions import suggest

    if name not in QUESTIONS:
        raise ConfigError(
            f"expected a claim of `antiphon claim list`, found {name}{suggest(name, QUESTIONS)}"
        )
    question = QUESTIONS[name]
    question.check(models, dev=bool(sets[1]))
    out, work = places
    page = out or Path(f"claim-{name}.md")
    if page.is_dir() or not page.parent.is_dir():
        raise ConfigError(
            f"--out: expected a file in a folder that is there, found {page}; create its folder"
        )
    if not sets[0]:
        raise ConfigError(f"claim {name}: expected --data SET, on which the answer is judged, found none")
    loaded = [
        load(reference, source_language=languages[0], target_language=languages[1], limit=limit)
        if reference
        else None
        for reference in sets
    ]
    test, dev = (tuple(data.utterances) if data else () for data in loaded)
    systems = Systems(Workbench(work, lambda text: typer.echo(text, err=True)), models, dev, test)
    with use_threads(1):
        verdict = ask(question, systems)
    about = [
        f"{role}: {reference}, {len(data.utterances):,} utterances"
        for role, reference, data in zip(("judged on", "chosen on"), sets, loaded, strict=True)
        if data
    ]
    command = "antiphon " + " ".join(sys.argv[1:])
    write_atomically(page, write_answer(question, systems, verdict, about, command).encode())
    typer.echo(f"{question.claim.claim}: {verdict.text}\n{page}")
    if as_json:
        rows = [row.model_dump(mode="json") for row in verdict.rows]
        typer.echo(json.dumps({"claim": name, "verdict": verdict.word, "page": str(page), "rows": rows}))
