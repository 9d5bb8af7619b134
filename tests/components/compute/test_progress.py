"""Progress inside a batch reaches whoever listens, also from other threads, and nobody else."""

from __future__ import annotations

import contextvars
from threading import Thread

from components.compute.progress import listen, listen_to_downloads, report_download, report_share, track


def test_a_listener_hears_shares_of_its_block_also_from_threads_with_its_context() -> None:
    shares: list[float] = []
    report_share(1, 2)  # nobody listens
    with listen(shares.append):
        assert list(track("abcd")) == list("abcd")
        thread = Thread(target=contextvars.copy_context().run, args=(report_share, 9, 8))
        thread.start()
        thread.join()
        report_share(1, 0)  # of nothing there is no share
    report_share(1, 2)
    assert shares == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_downloads_are_reported_to_who_listens() -> None:
    seen: list[tuple[str, int, int]] = []
    assert not report_download("a model", 1, 2)
    with listen_to_downloads(lambda *values: seen.append(values)):
        assert report_download("a model", 1, 2)
    assert not report_download("a model", 2, 2)
    assert seen == [("a model", 1, 2)]
