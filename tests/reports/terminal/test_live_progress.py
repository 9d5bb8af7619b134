"""How far nodes are: numbers that can be checked by hand, and what a terminal is left with."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reports.terminal.live_progress import LiveProgress
from reports.terminal.node_progress import NodeEnd, NodeProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def progress_at(seconds: float, done: float, **fields: float) -> NodeProgress:
    clock = Clock()
    progress = NodeProgress("asr", 40, clock=clock)
    clock.now += seconds
    progress.done = done
    for name, value in fields.items():
        setattr(progress, name, value)
    progress.count()
    return progress


def test_rates_and_the_time_that_is_left() -> None:
    progress = progress_at(10.0, 20, resumed=10, audio_seconds=35.0)
    assert (progress.rate, progress.audio_rate, progress.share) == (1.0, 3.5, 0.5)
    assert progress.seconds_left == 20.0
    assert progress.describe() == "asr: 20 of 40 (50%), 1.0 records/s, 3.5 s of speech/s, 20 s left"


def test_the_time_that_is_left_runs_down_between_two_counts_and_the_rate_stays() -> None:
    progress = progress_at(10.0, 20)
    progress.clock.now += 4.0
    assert (progress.rate, progress.seconds_left) == (2.0, 6.0)


def test_what_happens_once_at_the_start_is_not_in_what_is_left() -> None:
    progress = progress_at(20.0, 2)
    assert progress.describe() == "asr: 2 of 40 (5%), 0.1 records/s"
    progress.done = 4
    progress.clock.now += 1.0
    progress.count()
    assert progress.describe() == "asr: 4 of 40 (10%), 0.2 records/s, 18 s left"


def test_what_is_left_of_speech_is_told_by_its_seconds() -> None:
    a_long_one = progress_at(10.0, 0, in_flight=0.5, audio_in_flight=700, audio_total=1500, audio_resumed=100)
    assert a_long_one.describe() == "asr: 0 of 40 (53%), 0.1 records/s, 70.0 s of speech/s, 10 s left"


def test_waiting_for_the_node_above_is_no_work() -> None:
    progress = progress_at(120.0, 0)
    for _ in range(2):
        with progress.work():
            progress.clock.now += 2.0
            progress.done += 10
            progress.count()
        progress.clock.now += 60.0
    assert (progress.seconds, progress.rate, progress.seconds_left) == (4.0, 5.0, 4.0)
    ended = NodeEnd("mt", "computed", progress, items=49, seconds=0.77)
    assert ended.describe() == "mt: computed, 49 records, 0.77 s"


def test_loading_of_models_is_not_in_what_is_left() -> None:
    progress = progress_at(5.0, 0)
    with progress.work():
        for seconds, share in ((120.0, 0.0), (10.0, 20.0)):
            progress.clock.now += seconds
            progress.in_flight = share
            progress.count()
        assert progress.describe() == "asr: 20 of 40 (50%), 2.0 records/s, 10 s left"


def test_before_anything_is_done_nothing_is_told() -> None:
    assert progress_at(3.0, 0).describe() == "asr: 0 of 40 (0%)"


def test_behind_a_route_no_total_is_promised_before_it_is_known() -> None:
    progress = progress_at(10.0, 5)
    progress.gather(32, 7)
    assert (progress.share, progress.seconds_left) == (None, None)
    assert progress.describe() == "asr: 5 done, 0.5 records/s"
    console = terminal(120)
    live = LiveProgress(console)
    live.update(progress)
    console.print(live._render())
    progress.gather(8, 3)
    assert progress.describe() == "asr: 5 of 10 (50%), 0.5 records/s, 10 s left"


@given(done=st.floats(0, 40), within=st.floats(0, 40), seconds=st.floats(0, 1e6))
def test_whatever_is_counted_the_share_is_one_and_the_rest_is_positive(
    done: float, within: float, seconds: float
) -> None:
    progress = progress_at(seconds, done, in_flight=within)
    assert 0 <= (progress.share or 0) <= 1
    left = progress.seconds_left
    assert left is None or left >= 1
    assert "nan" not in progress.describe()


def terminal(width: int) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=30,
        color_system=None,
        legacy_windows=False,
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_line_for_each_node_at_work_fits_the_terminal(width: int) -> None:
    console = terminal(width)
    live = LiveProgress(console)
    live.update(progress_at(10.0, 20, audio_seconds=35.0))
    live.update(NodeProgress("[red]mt", 100, is_percentage=True))
    console.print(live._render())
    first, second = console.file.getvalue().splitlines()
    assert "asr" in first
    assert "20 of 40" in first
    assert "[red]mt" in second  # names are no markup
    assert max(map(len, (first, second))) <= width


def test_finished_nodes_stay_as_one_line_and_the_moving_lines_are_gone() -> None:
    console = terminal(80)
    live = LiveProgress(console)
    live.start()
    live.update(progress_at(10.0, 40))
    live.end(NodeEnd("asr", "computed", progress_at(99.0, 40), items=40, quarantined=2, seconds=10.0))
    live.end(NodeEnd("mt", "failed", error="no such model"))
    live.stop()
    live.stop()
    out = console.file.getvalue()
    assert "asr          computed, 40 records, 10 s, 4.0 records/s, 2 quarantined" in out
    assert "failed: no such model" in out
    assert "\x1b[?25h" in out  # the cursor is back


def test_before_a_node_begins_the_phase_and_a_download_are_told() -> None:
    console = terminal(80)
    live = LiveProgress(console)
    live.show_phase("reading [red]data\x1b")
    console.print(live._render())
    live.show_download("packaged:whisper", 1_500_000, 2_000_000_000)
    console.print(live._render())
    live.show_phase("")
    console.print(live._render())
    first, second, third = console.file.getvalue().splitlines()
    assert "reading [red]data⟨U+001B⟩" in first
    assert "fetching packaged:whisper: 2 of 2,000 MB" in second
    assert third.strip() == ""
