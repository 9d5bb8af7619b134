"""`antiphon campaign`: ask people which system is better, and read their answers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from components.campaign.settings import CampaignSettings
from components.text.counted_nouns import format_count
from flows.cli.help.commands import Group
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, StoreUrl
from flows.cli.help.pages import completes
from flows.cli.storage.campaign_answers import import_answers

PANEL = "Judge"


class CampaignGroup(Group):
    """`antiphon campaign RUN` is `antiphon campaign create RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `create` before anything that is neither a command nor a question for help."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["create", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


campaign_app = typer.Typer(
    cls=CampaignGroup,
    no_args_is_help=True,
    help="""Ask people which system is better.

`antiphon campaign RUN RUN` writes a campaign (`antiphon campaign create --help`: its options),
`antiphon campaign import` reads the answers, and
`antiphon compare RUN RUN --scores esa=scores.tsv --metric esa` tests them
(docs/evaluation/judgements.md).""",
)


@with_flags(CampaignSettings, *CampaignSettings.model_fields)
def create(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="a comparison, or finished runs", autocompletion=completes("runs")
        ),
    ],
    values: Values,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="new folder; campaign-RUN if omitted")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="KIND",
            help="translation or transcript; what all runs have if omitted",
            autocompletion=completes("components.metrics.choices:Output"),
        ),
    ] = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write a campaign: blinded items, for pearmut and as tables, and the key that leads back to the systems.

    Examples:
    - `antiphon campaign small large --items 50`

    - `antiphon campaign COMPARISON --protocol cESA --annotators 3 --copies 2 --select diversity`
    """
    from flows.cli.compute.parameters.config_file import gather

    written = _create(runs, out, output, gather(CampaignSettings, None, [], values), store)
    sys.stdout.write("".join(f"{line}\n" for line in _describe(written)))
    if as_json:
        sys.stdout.write(json.dumps(written) + "\n")


def _create(
    runs: Sequence[str], out: Path | None, output: str | None, settings: CampaignSettings, store: str | None
) -> dict[str, Any]:
    """Write a campaign; returns what it holds, for a person and as JSON."""
    from components.campaign.blinding import CampaignKey, blind
    from components.campaign.folder import refuse_existing, write_campaign
    from components.campaign.selection import select_candidates
    from components.storage.store import Store
    from reports.views.campaign_candidates import choose_output, load_candidates, load_systems

    folder = out or Path(f"campaign-{runs[0]}")
    refuse_existing(folder)
    systems = load_systems(runs, Store(store))
    kind = choose_output(systems, output)
    candidates = load_candidates(systems, kind, settings.prefill)
    judged = select_candidates(candidates, settings.select, settings.items, settings.seed)
    ids = {candidate.utterance.id for candidate in judged}
    items = blind(judged, [each for each in candidates if each.utterance.id not in ids], settings)
    key = CampaignKey(
        campaign=re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-") or "campaign",
        output=kind,
        protocol=settings.protocol,
        systems=tuple(systems),
        settings=settings.model_dump(mode="json"),
        items=tuple(item.blinded for item in items),
    )
    files = write_campaign(folder, items, key, settings)
    return {
        "folder": str(folder),
        "campaign": key.campaign,
        "systems": list(systems),
        "utterances": len(judged),
        "of": len(candidates),
        "equal": sum(len(set(candidate.outputs.values())) == 1 for candidate in judged),
        "items": sum(item.damaged is None for item in key.items),
        "checks": sum(item.damaged is not None for item in key.items),
        **files._asdict(),
    }


def _describe(written: Mapping[str, Any]) -> list[str]:
    """Return what was written, and what to do with it."""
    folder, campaign = written["folder"], written["campaign"]
    lines = [
        f"{written['utterances']:,} of {written['of']:,} utterances, {len(written['systems'])} systems: "
        f"{format_count(written['items'], 'item')} and "
        f"{format_count(written['checks'], 'attention check')} in {folder}"
    ]
    if written["equal"]:
        lines.append(f"of {format_count(written['equal'], 'utterance')} all systems gave the same output")
    if written["recordings"]:
        lines.append(f"recordings: copy {folder}/assets/{campaign} into data/assets of pearmut")
    return [
        *lines,
        f"pearmut: pearmut add {folder}/{written['pearmut']} && pearmut run",
        f"tables to fill in (column score, 0 to 100): {', '.join(written['tables'])}",
        f"keep {folder}/{written['key']} from annotators: it names the systems",
        f"then: antiphon campaign import ANSWERS --campaign {folder} --out scores.tsv",
    ]


campaign_app.command("create")(create)
campaign_app.command("import")(import_answers)
