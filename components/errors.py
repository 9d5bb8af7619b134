"""The exception tree.

AntiphonError
├── ConfigError      a parameter, a flag or a configuration file is wrong         (exit code 2)
├── DataError        a manifest or a record of it is wrong
├── ModelError       a model reference, its files or its weights are wrong
├── MergeError       models that cannot be merged as asked
├── StoreError       a stage or run directory is wrong, busy or damaged
├── ComponentError   code raised what no user did, ours or that of an installed package
└── TransientError   may succeed when tried again: the only one that is retried

Every message is one line: what was expected, what was found, where, and what to do.
"""

import re
from importlib.util import find_spec

_MAX_WORD, _MAX_LINE = 400, 1500
"""Letters of a word and of a line of a message; a longer one is a value that was put in whole."""


class AntiphonError(Exception):
    """Base of every error that is explained to the user in one line."""

    logged = False  # whether it was, on its way up

    def __init__(self, *message: object) -> None:
        super().__init__(*(shorten(part) if isinstance(part, str) else part for part in message))


class ConfigError(AntiphonError):
    """A parameter, a flag or a configuration file is wrong."""


class DataError(AntiphonError):
    """A manifest, or one record of it, is wrong."""


class ModelError(AntiphonError):
    """A model reference, its files or its weights are wrong."""


class RecordError(ModelError):
    """One record cannot be computed, others can; ``reason`` is a short class of the fault."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class MergeError(AntiphonError):
    """Models cannot be merged as asked."""


class StoreError(AntiphonError):
    """A stage or run directory is wrong, busy or damaged."""


class NotWritableError(StoreError):
    """Nothing may be written in a store: a read-only disk, or another user's."""


class UnknownRunError(StoreError, ConfigError):
    """A run was named that the store does not have."""


class UnknownModelError(ModelError, ConfigError):
    """A model was named that there is not."""


class UnknownUtteranceError(DataError, ConfigError):
    """An utterance was named that the data do not have."""


class ComponentError(AntiphonError):
    """Code raised, or answered, what it must not: ours or that of an installed package."""


class TransientError(AntiphonError):
    """May succeed when tried again."""


def require_extra(who: str, module: str, extra: str, otherwise: str = "") -> None:
    """Refuse what needs a module that an extra installs, where it is missing.

    Args:
        who: what needs it, as a message begins.
        module: its name, as it is imported.
        extra: that of Antiphon.
        otherwise: what else can be done, as the message ends.

    Raises:
        ConfigError: it is not installed.
    """
    if find_spec(module) is None:
        raise ConfigError(
            f"{who} expects the extra {extra!r}, found it missing; pip install 'antiphon[{extra}]'{otherwise}"
        )


def shorten(message: str) -> str:
    """Return a message without the middle of very long words and lines."""
    lines = re.sub(rf"\S{{{_MAX_WORD + 1},}}", lambda word: _cut(word[0], _MAX_WORD), message).split("\n")
    return "\n".join(_cut(line, _MAX_LINE) if len(line) > _MAX_LINE else line for line in lines)


def _cut(text: str, limit: int) -> str:
    """Return the beginning and the end of a text, within ``limit`` letters, and how many there were."""
    return f"{text[: limit // 2]} ... ({len(text):,} letters) ... {text[-(limit // 4) :]}"


def to_one_line(message: object, limit: int = 200) -> str:
    """Quote another library's message on one line, cut after ``limit`` characters, for one of ours."""
    return " ".join(str(message).split())[:limit]
