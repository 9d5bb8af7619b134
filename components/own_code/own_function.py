"""The user's own functions: loaded once per content of their files, called record by record."""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any
from urllib.error import HTTPError, URLError

from components.compute.progress import track
from components.errors import AntiphonError, ConfigError, DataError, TransientError
from components.nodes.node_context import Item, NodeContext
from components.own_code.plain_records import OutputType, PlainRecord, to_outcome, to_plain
from components.records import NodeOutcome, Quarantined

Function = Callable[..., Any]
_MIN_IDENTICAL_FAILURES = 3
"""If this many records of one shard all fail in one line of the code, the code is wrong."""
_load_lock = threading.Lock()


def check_file(path: Path, function: str) -> None:
    """Refuse a file that does not define ``function``, without running it.

    Raises:
        ConfigError: it cannot be read, is not Python, or has no such function.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable Python file, found: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ConfigError(f"{path}{line}: expected Python, found: {error.args[0]}") from error
    names = {name for node in tree.body for name in _names_defined_by(node)}
    if function not in names:
        near = difflib.get_close_matches(function, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{path}: expected a function {function}, found none{hint}")


def _names_defined_by(node: ast.stmt) -> list[str]:
    """Return the names that a statement at the top of a file may define."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    return [name.id for name in ast.walk(node) if isinstance(name, ast.Name)]


def load_from_file(path: Path, function: str, also: Sequence[Path]) -> Function:
    """Load the function of a file, once in this process for the bytes of the file and those beside it.

    Args:
        path: the file.
        function: its name there.
        also: files beside it that it imports or reads.

    Raises:
        ConfigError: it cannot be imported, in one line.
    """
    files = [file.absolute() for file in (path, *also)]
    digests = tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    with _load_lock:
        return _get_function(_load_module(files[0], digests, tuple(files[1:])), function, str(path))


def load_from_package(function: str) -> Function:
    """Load the function ``module:name`` of an installed package.

    Raises:
        ConfigError: it cannot be imported.
    """
    module, _, name = function.partition(":")
    try:
        return _get_function(importlib.import_module(module), name, module)
    except (Exception, SystemExit) as error:
        raise _import_fault(module, error) from error


@lru_cache(maxsize=32)
def _load_module(path: Path, digests: tuple[str, ...], also: tuple[Path, ...]) -> ModuleType:
    module = ModuleType(f"antiphon_own_{digests[0][:16]}")
    module.__file__ = str(path)
    for name in _modules_in(path.parent):  # another version of them, or of another file's
        del sys.modules[name]
    for file in also:
        if file.suffix == ".py":
            sys.modules.pop(file.stem, None)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 - allowed by code.py
    except (Exception, SystemExit) as error:
        raise _import_fault(str(path), error) from error
    finally:
        sys.path.remove(str(path.parent))
    unnamed = set(_modules_in(path.parent).values()) - {*also, path}
    if unnamed:
        names = ", ".join(sorted(file.name for file in unnamed))
        raise ConfigError(
            f"{path}: expected also: [{names}], since it imports what lies beside it, found none"
        )
    return module


def _modules_in(folder: Path) -> dict[str, Path]:
    """Return the modules that were imported from a folder, with their files."""
    loaded = {
        name: getattr(module, "__dict__", {}).get("__file__") for name, module in sys.modules.copy().items()
    }
    files = {name: Path(file) for name, file in loaded.items() if file}
    own = ("__main__", "antiphon_own_")
    return {n: file for n, file in files.items() if file.parent == folder and not n.startswith(own)}


def _import_fault(what: str, error: BaseException) -> ConfigError:
    if isinstance(error, ConfigError):
        return error
    return ConfigError(f"{what}: expected to import it, found {_describe(error)}")


def _get_function(module: ModuleType, name: str, where: str) -> Function:
    function: Function | None = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{where}: expected a function {name}, found {type(function).__name__}")
    return function


def _describe(error: BaseException) -> str:
    """Describe an exception in one line, with the line of code that raised it."""
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text} ({_location_of(error)})"


def _location_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{Path(str(error.filename)).name}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(_last_frames(error.__traceback__)) if f.filename != __file__]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "before its first line"


def _last_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return the last frames of a traceback; a recursion has thousands."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    return frames[-50] if len(frames) > 50 else frames[0] if frames else None


class _AnswerError(Exception):
    """A record has no answer: short class, what was found, and the location in the code."""

    def __init__(self, reason: str, detail: str, location: str) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.location = reason, detail, location


class OwnFunction:
    """A function as the component of a node: a record that fails is quarantined, the others go on."""

    def __init__(
        self,
        function: Function,
        context: NodeContext,
        output: OutputType,
        branches: Sequence[str],
        arguments: Mapping[str, Any],
        *,
        batch: bool,
    ) -> None:
        self._function = function
        self._site = context
        self._output = output
        self._branches = branches
        self._arguments = arguments
        self._batch = batch

    def __call__(self, items: Sequence[Item]) -> list[NodeOutcome]:
        """Return outcomes in order.

        Raises:
            AntiphonError: every record fails in the same line of the code.
            TransientError: a service that the code calls does not answer.
        """
        answers = (
            self._answer_batch(items) if self._batch else [self._answer_item(item) for item in track(items)]
        )
        faults = [answer for answer in answers if isinstance(answer, _AnswerError)]
        if (
            len(faults) == len(items) >= _MIN_IDENTICAL_FAILURES
            and len({fault.location for fault in faults}) == 1
        ):
            raise AntiphonError(f"{self._site.name}: every record fails alike: {faults[0].detail}")
        return [
            _quarantine(item, self._site, answer) if isinstance(answer, _AnswerError) else answer
            for item, answer in zip(items, answers, strict=True)
        ]

    def _answer_batch(self, items: Sequence[Item]) -> list[NodeOutcome | _AnswerError]:
        """Call the function with all items; where that fails, with one at a time."""
        try:
            answers = self._call([to_plain(item, self._site) for item in items])
            if isinstance(answers, str | Mapping) or not isinstance(answers, Sequence):
                raise _answer_error(f"expected a list of answers, found {type(answers).__name__}")
            if len(answers) != len(items):
                raise _answer_error(f"expected {len(items)} answers, found {len(answers)}")
        except _AnswerError as fault:
            if len(items) == 1:
                return [fault]
            return [result for item in items for result in self._answer_batch([item])]
        return [self._to_outcome(answer, item) for answer, item in zip(answers, items, strict=True)]

    def _answer_item(self, item: Item) -> NodeOutcome | _AnswerError:
        try:
            return self._to_outcome(self._call(to_plain(item, self._site)), item)
        except _AnswerError as fault:
            return fault

    def _call(self, read: PlainRecord | list[PlainRecord]) -> Any:
        try:
            return self._function(read, **self._arguments)
        except (Exception, SystemExit) as error:
            if _is_transient(error):
                raise TransientError(f"{self._site.name}: {_describe(error)}; try again") from error
            raise _AnswerError("own code failed", _describe(error), _location_of(error)) from error

    def _to_outcome(self, answer: Any, item: Item) -> NodeOutcome | _AnswerError:
        try:
            return to_outcome(answer, item, self._site, self._output, self._branches)
        except DataError as error:
            return _answer_error(str(error))


def _answer_error(detail: str) -> _AnswerError:
    return _AnswerError("unexpected answer", detail, "")


def _quarantine(item: Item, context: NodeContext, fault: _AnswerError) -> Quarantined:
    return Quarantined(
        utterance_id=item.utterance.id, stage=context.name, reason=fault.reason, detail=fault.detail
    )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return isinstance(error, TransientError | ConnectionError | TimeoutError | URLError)
