"""`antiphon simultaneous`: the twin of a finished run that answers while the speaker speaks."""

from __future__ import annotations

from flows.cli.compute.flow_command import flow_command

PANEL = "Judge"

simultaneous = flow_command(
    "simultaneous",
    "policy",
    "chunk",
    "limit",
    "log",
    positional="run",
    help="""Replay the recordings of a finished run chunk by chunk: latency and quality under policies.

The nodes of the run get prefixes, and a policy says what of their outputs is written; nothing that is written
is taken back, except under `retranslate`. Latency is told by the sound that was heard and by the clock, with
the stage it comes from (docs/families/simultaneous.md). The run's copy is named RUN-simultaneous. Examples:

- `antiphon simultaneous RUN`

- `antiphon simultaneous RUN --policy local_agreement:2 --policy 'asr=alignatt mt=wait_k:3' --chunk 0.5`""",
)
