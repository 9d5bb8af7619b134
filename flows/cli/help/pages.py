"""What explains parameters and completes words: entries of ``antiphon.help``, imported when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from components.extensions import Extensions, accept_any

HELP: Extensions[Any] = Extensions("antiphon.help", "help", accept_any)
"""``parameters``: rows of a flow's parameters; ``printing``: prints them, a template or a flow's help;
``completion``: what the shell offers for a word; ``check``: what `antiphon run --check` says."""


def completes(what: str) -> Callable[[typer.Context, str], list[tuple[str, str]]]:
    """Return the ``autocompletion`` of a flag or an argument.

    One that fails completes nothing: nobody wants an error under the cursor.

    Args:
        what: as of :func:`flows.cli.help.completion.complete`.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            rows = HELP["completion"].complete(what, ctx, incomplete)
            return [row for row in rows if row[0].startswith(incomplete)]
        except Exception:  # whatever it is, the user only pressed Tab
            return []

    return complete
