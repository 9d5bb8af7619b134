"""Libraries that only some forms of models need, as extras."""

from __future__ import annotations

from importlib.util import find_spec

from components.errors import ConfigError


def require_gguf(model: str) -> None:
    """Refuse a language model in a GGUF file where it cannot be converted.

    Raises:
        ConfigError: the extra is not installed.
    """
    if find_spec("gguf") is None:
        raise ConfigError(
            f"{model}: expected the extra 'gguf' to convert it, found it missing; pip install "
            "'antiphon[gguf]'"
        )
