"""openai-whisper's rules as they are written: numba takes two seconds to compile them in each process."""

from __future__ import annotations

import pytest
import whisper.timing


@pytest.fixture(scope="session", autouse=True)
def not_compiled() -> None:
    for name in ("backtrace", "dtw_cpu"):
        setattr(whisper.timing, name, getattr(whisper.timing, name).py_func)
