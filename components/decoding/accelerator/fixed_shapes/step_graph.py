"""Decoding steps of fixed shapes on fixed buffers: run as they are, or recorded once and replayed.

A step of a small decoder on a card is bound by the host that starts its kernels. A CUDA graph starts all of
them at once. It holds addresses: whatever the step reads and writes has to stay where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from components.errors import to_one_line

Step = Callable[[], object]
_log = logging.getLogger("antiphon.graphs")
_RECORDING = threading.Lock()
"""Held while a step is recorded: on one stream, and torch allows one recording in a process at a time."""
_HAS_FAILED = threading.Event()
"""After a recording failed none is tried in this process."""
TOLERANCE = 0.05
"""Between the first replay and the step: that of half precision, in which products may be split otherwise."""


def has_recording_failed() -> bool:
    """Return whether a step of this process could not be recorded: none is since then."""
    return _HAS_FAILED.is_set()


class StepRecorder(Protocol):
    """Records a step, to be replayed on the same buffers."""

    def warm_up(self, step: Step) -> None:
        """Run it, so that libraries choose kernels and take their memory before it is recorded."""

    def record(self, step: Step) -> Callable[[], None]:
        """Record it without running it; returns what replays it."""


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory, so that only one of them may run at a time.

    Args:
        device: the card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None

    def warm_up(self, step: Step) -> None:
        """See :class:`StepRecorder`; on the stream that records."""
        with torch.cuda.device(self._device):
            stream = _recording_stream(self._device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                step()
            torch.cuda.current_stream().wait_stream(stream)

    def record(self, step: Step) -> Callable[[], None]:
        """See :class:`StepRecorder`. Other threads may go on using the card."""
        with torch.cuda.device(self._device):
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            graph, stream = torch.cuda.CUDAGraph(), _recording_stream(self._device)
            before = torch.cuda.current_stream()
            with (
                torch.cuda.stream(before),  # put back, as a recording that fails does not
                torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"),
            ):
                step()
        return graph.replay


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return one of those of high priority: of the others torch hands out the same 32 again and again to all.

    What another thread puts on it meanwhile would become part of the graph.
    """
    return torch.cuda.Stream(device, priority=-1)  # type: ignore[no-untyped-call]


class StepGraph:
    """One step of fixed shapes, eager or recorded: both run by :meth:`run` and leave the same in the buffers.

    The first replay is compared with the step itself; where they differ, or where recording fails, one
    warning says why and the step goes on eagerly.

    Args:
        results: where the step writes what is read after it.
        snapshot: notes what the step changes, and returns what puts it back.
        recorder: none: eager.
        state: what it both reads and writes.
    """

    def __init__(
        self,
        results: Sequence[Tensor],
        snapshot: Callable[[], Callable[[], None]],
        recorder: StepRecorder | None,
        state: Sequence[Tensor] = (),
    ) -> None:
        self._results, self._snapshot, self._recorder = results, snapshot, recorder
        self._state = state
        self._replay: Callable[[], None] | None = None

    def run(self, step: Step) -> None:
        """Take one step; a replay does not call ``step``."""
        if self._replay is not None:
            self._replay()
        elif self._recorder is None or has_recording_failed():
            step()
        else:
            with _RECORDING:
                self._record(self._recorder, step)

    def _record(self, recorder: StepRecorder, step: Step) -> None:
        restore = self._snapshot()
        recorder.warm_up(step)
        changed = [*self._results, *self._state]
        expected = [part.clone() for part in changed]
        restore()
        for result in self._results:  # a replay that writes nothing differs
            result.fill_(torch.nan if result.is_floating_point() else -1)
        try:
            replay = recorder.record(step)
            replay()
            if not all(map(_is_close, changed, expected)):
                raise RuntimeError("its first replay differs from the step itself")
        except RuntimeError as error:
            _HAS_FAILED.set()
            _log.warning(
                "expected to record decoding steps as a CUDA graph, found: %s; going on without graphs",
                to_one_line(error, 200),
            )
            restore()
            step()
        else:
            self._replay = replay


def _is_close(result: Tensor, expected: Tensor) -> bool:
    """Return whether both are nearly equal, numbers that are not floats exactly.

    What was at a threshold may be forbidden (-inf) in one of them only: up to a tenth of what a row, the last
    dimension, allows, and never its best.
    """
    if not result.is_floating_point():
        return torch.equal(result, expected)
    forbidden, expected_forbidden = result == -torch.inf, expected == -torch.inf
    differs = (forbidden & expected.isfinite()) | (expected_forbidden & result.isfinite())
    n_allowed = torch.maximum(*((~mask).sum(-1) for mask in (forbidden, expected_forbidden)))
    if bool((differs.sum(-1) > (n_allowed // 10).clamp(min=1)).any()):
        return False
    best, expected_best = (part.masked_fill(part.isnan(), -torch.inf).amax(-1) for part in (result, expected))
    return torch.allclose(best, expected_best, TOLERANCE, TOLERANCE) and torch.allclose(
        result.masked_fill(differs, 0),
        expected.masked_fill(differs, 0),
        rtol=TOLERANCE,
        atol=TOLERANCE,
        equal_nan=True,
    )
