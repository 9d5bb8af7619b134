"""Whether kernels in Triton run on this machine's card; where not, operations of torch take their place."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec

import torch

_log = logging.getLogger("antiphon.kernels")


def has_triton() -> bool:
    """Return whether they run; if not, a warning says why, once. Asked where there is a CUDA device."""
    return _runs()


@cache
def _runs() -> bool:
    if find_spec("triton") is None:  # openai-whisper brings it on Linux alone
        return False
    try:
        from components.kernels.triton_mixing import mix  # noqa: PLC0415 - imports Triton

        scores = torch.zeros(1, 2, device="cuda")
        mix([scores, scores], torch.ones(2, 1, device="cuda"))
    except Exception as error:  # of its compiler, of the C compiler that it calls, of the driver
        _log.warning(
            "expected that Triton compiles a kernel, found an error (%s): going on with torch's own",
            " ".join(str(error).split())[:200],
        )
        return False
    return True
