"""What do Prefect and the store cost?"""

from __future__ import annotations

import statistics

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph

BAR = 1.03
PROTOCOL = """\
The cascade (Whisper base greedy, English-German beam 5) on {utterances} utterances, the sample set repeated,
as a Prefect flow with the store, metrics, report and artifacts, against the same component calls in a loop
that appends to plain files (with the same scores). Each in a fresh process, in turn; seconds, model loading
included, imports not; the report and its plots are written by the flow only. Calls: recognition and
translation alone, as each side measures them. Start-up: server and imports. Bar: a median ratio of {bar} at
most."""
HEADER = (
    *("round", "bare loop", "flow", "ratio", "calls, loop", "calls, flow"),
    *("unchanged rerun", "start-up"),
)


def page(measurements: Measurements) -> str:
    """One row a round."""
    values, rows = measurements["rounds"], []
    for number, times in enumerate(values["rounds"], start=1):
        loop, flow = times["bare"], times["prefect"]
        seconds = (loop["calls"], flow["calls"], flow["again"], flow["startup"])
        cells = [f"{loop['seconds']:.1f}", f"{flow['seconds']:.1f}", f"{times['ratio']:.3f}"]
        rows.append([str(number), *cells, *(f"{value:.1f}" for value in seconds)])
    return "\n\n".join(
        [
            "# What orchestration costs",
            f"The flow takes {_result(measurements)}.",
            one_paragraph(PROTOCOL.format(utterances=values["utterances"], bar=BAR)),
            markdown_table(HEADER, rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "What do Prefect and the store cost?", _result(measurements)


def _result(measurements: Measurements) -> str:
    values = measurements["rounds"]
    shares = [100 * (times["ratio"] - 1) for times in values["rounds"]]
    again = statistics.median(times["prefect"]["again"] for times in values["rounds"])
    return (
        f"{statistics.median(shares):.1f}% more time on {values['utterances']} utterances (median of "
        f"{len(shares)} rounds: {', '.join(f'{share:.1f}' for share in shares)}%); an unchanged rerun "
        f"{again:.0f} s"
    )
