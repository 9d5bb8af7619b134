"""Live progress in a terminal: one line for each node at work; finished ones stay above as one line each."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.text.escaping import to_printable
from reports.terminal.node_progress import NodeEnd, NodeProgress

MARKS = {
    "computed": ("✓", "+", "green"),
    "reused": ("=", "=", "dim"),
    "skipped": ("-", "-", "dim"),
    "failed": ("✗", "x", "red"),
    "blocked": ("✗", "x", "yellow"),
}
"""Status of a node that has ended -> its mark, the same in ASCII, and its style."""
_REFRESH = 4  # times in a second
_RATES_FROM = 76  # columns of a terminal that has room for speeds
_BAR_FROM = 100  # columns of a terminal that has room for bars


class LiveProgress:
    """Lines that move, on a console (standard error); what is logged meanwhile appears above them.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.RLock()
        self._nodes: dict[str, NodeProgress] = {}
        self._has_signs = console.encoding.startswith("utf")
        self._spinner = Spinner("dots" if self._has_signs else "line")
        self._phase = ""
        self._live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=_REFRESH,
            transient=True,
            redirect_stdout=False,  # results are printed after the last line is gone
        )

    def start(self) -> None:
        """Show the lines from now on."""
        self._live.start()

    def stop(self) -> None:
        """Take the moving lines away; the cursor is back. A second call does nothing."""
        self._live.stop()

    def show_phase(self, text: str) -> None:
        """Show what is done while no node computes; empty: nothing."""
        self._phase = to_printable(text)

    def show_download(self, name: str, done: int, total: int) -> None:
        """Show how much of a model is fetched, in bytes."""
        self.show_phase(f"fetching {name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    def update(self, progress: NodeProgress) -> None:
        """Show the line of a node, or what has become of it."""
        with self._lock:
            self._nodes[progress.node] = progress

    def end(self, ended: NodeEnd) -> None:
        """Print the last line of a node, which stays, and take its moving line away."""
        with self._lock:
            self._nodes.pop(ended.node, None)
        sign, letter, style = MARKS[ended.status]
        line = Text.assemble((f"{sign if self._has_signs else letter} ", style), self._name(ended.node), " ")
        line.append(to_printable(ended.describe_work()), "" if ended.status == "computed" else style)
        if ended.quarantined:
            line.append(f", {ended.quarantined:,} quarantined", "yellow")
        self.console.print(line, soft_wrap=True)

    def _render(self) -> RenderableType:
        with self._lock:
            nodes = list(self._nodes.values())
        lines = Table.grid(padding=(0, 1))
        if not nodes:
            lines.add_row(self._spinner, Text(self._phase, "dim"))
            return lines if self._phase else Text("")
        for number in range(6):
            lines.add_column(no_wrap=True, max_width=24 if number == 1 else None)
        for progress in nodes:
            lines.add_row(*self._cells(progress))
        return Group(lines)

    def _cells(self, progress: NodeProgress) -> Iterator[RenderableType]:
        yield self._spinner
        yield self._name(progress.node)
        if self.console.width >= _BAR_FROM:
            share = progress.share
            yield ProgressBar(total=None if share is None else 1.0, completed=share or 0.0, width=20)
        yield Text(progress.describe_count())
        if self.console.width >= _RATES_FROM:
            yield Text(progress.describe_rates(), "dim")
        yield Text(progress.describe_rest(), "cyan")

    @staticmethod
    def _name(node: str) -> Text:
        return Text(f"{to_printable(node):<12}", "bold")
