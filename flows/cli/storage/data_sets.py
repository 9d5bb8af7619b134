"""`antiphon data list` and `fetch`: public data sets by name, with size, licence and consent said first."""

from __future__ import annotations

from typing import Annotated

import typer

from components.errors import ConfigError, DataError
from flows.cli.help.verbosity import print_notice


def list_sets() -> None:
    """List the data sets that have a name: what they are, their size and licence."""
    from rich.padding import Padding
    from rich.text import Text

    from components.data.files.named_sets import NAMED
    from components.data.named_set import DATA_SETS
    from flows.cli.help.console import console

    out = console()
    for form, what in NAMED.items():
        out.print(Text.assemble((form, "bold"), f"  {what}"), soft_wrap=True)
    for name in DATA_SETS:
        each = DATA_SETS[name]
        out.print(Text.assemble((each.form, "bold"), f"  {each.what}"), soft_wrap=True)
        out.print(Padding(Text(f"{each.size}; {each.licence}", "dim"), (0, 0, 0, 4)))
    out.print("antiphon data fetch NAME fetches one; --data NAME reads it.")


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="such as fleurs:de_de:test")],
    source: Annotated[str | None, typer.Option("--from", metavar="CODE", help="language")] = None,
    target: Annotated[
        str | None, typer.Option("--to", metavar="CODE", help="language of the translations")
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="agree to what the set asks for")
    ] = False,
) -> None:
    """Fetch a public data set of `antiphon data list`.

    Its size and licence are said first. `--data NAME` reads what is fetched. Examples:

    - `antiphon data fetch sacrebleu:wmt24:en-de`

    - `antiphon data fetch fleurs:de_de:test`
    """
    from components.data.named_set import DATA_SETS, is_named

    if not is_named(name):
        raise ConfigError(f"NAME: expected NAME:PART of {', '.join(DATA_SETS)}, found {name!r}")
    scheme, _, rest = name.partition(":")
    named = DATA_SETS[scheme]
    print_notice(f"{name}: {named.what}; {named.size}; {named.licence}")
    if named.consent is not None and not accept_licence:
        raise ConfigError(f"{name}: {named.consent}; agree by --accept-licence")
    try:
        located = named.fetch(rest, source, target)
    except DataError as error:
        raise ConfigError(str(error)) from None
    typer.echo(located.source)
