"""The runs of a store as a list that a notebook, or a prompt, shows as a table."""

from __future__ import annotations

from html import escape

from components.storage.runs.run_listing import RunEntry

COLUMNS = ("name", "flow", "status", "started (UTC)", "scores")
MAX_SCORES = 3


class RunList(list[RunEntry]):
    """Runs, the newest first."""

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row per run: name, flow, status, when it began, its first scores."""
        rows: list[tuple[str, ...]] = []
        for run in self:
            scores = [] if run.record is None else list(run.record.metrics.items())[:MAX_SCORES]
            shown = ", ".join(f"{name} {score.value:.1f}" for name, score in scores)
            flow = "" if run.record is None else run.record.flow
            rows.append((run.name, flow, run.status, run.started[:16].replace("T", " "), shown))
        return rows

    def __repr__(self) -> str:
        rows = [COLUMNS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
