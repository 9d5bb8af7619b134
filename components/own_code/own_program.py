"""The user's own programs: started for a batch of records, fed and read by lines, with limits."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

from components.compute.process_guard import ProcessGuard
from components.errors import AntiphonError, DataError, TransientError
from components.files.json_text import parse_json
from components.nodes.node_context import Item, NodeContext
from components.own_code.plain_records import OutputType, to_outcome, to_plain
from components.records import NodeOutcome, Quarantined

MAX_OUTPUT_BYTES = 64 * 2**20
"""Bytes of output per start at most; a program that writes more does not end."""
_MIN_FAILURES = 3
"""If this many records of one batch all fail one by one, the program is wrong."""


class ProgramError(Exception):
    """A program gave no answers: short class and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ProgramTimeoutError(ProgramError):
    """A program ran into its time limit."""

    def __init__(self, detail: str) -> None:
        super().__init__("time-out", detail)


class OwnProgram:
    """A program as the component of a node: a record that fails is quarantined, the others go on.

    Args:
        command: the program and its arguments.
        context: the node's.
        output: the sort of its answers.
        branches: of a table, the ways that it may name.
        timeout: seconds for one start.
        lines: a line of text per utterance in and out, else a JSON object.
    """

    def __init__(
        self,
        command: Sequence[str],
        context: NodeContext,
        output: OutputType,
        branches: Sequence[str],
        timeout: float,
        *,
        lines: bool,
    ) -> None:
        """``lines``: a line of text per utterance in and out, else a JSON object."""
        self._command = command
        self._site = context
        self._output = output
        self._branches = branches
        self._timeout = timeout
        self._lines = lines

    def __call__(self, items: Sequence[Item]) -> list[NodeOutcome]:
        """Return outcomes in order.

        Raises:
            AntiphonError: the program fails for every record.
            TransientError: it runs into its time limit for a record alone, which may be the machine's fault.
        """
        answers: list[NodeOutcome | ProgramError | None] = [None] * len(items)
        readable = []
        for number, item in enumerate(items):
            if self._lines and to_plain(item, self._site)["text"] is None:
                answers[number] = ProgramError(
                    "nothing to read", "expected a text, found speech; recognize it"
                )
            else:
                readable.append(number)
        for number, answer in zip(readable, self._answer([items[n] for n in readable]), strict=True):
            answers[number] = answer
        return [self._to_outcome(item, answer) for item, answer in zip(items, answers, strict=True)]

    def _to_outcome(self, item: Item, answer: NodeOutcome | ProgramError | None) -> NodeOutcome:
        if answer is None or isinstance(answer, ProgramError):
            reason, detail = ("unexpected answer", "") if answer is None else (answer.reason, str(answer))
            utterance_id = item.utterance.id
            return Quarantined(utterance_id=utterance_id, stage=self._site.name, reason=reason, detail=detail)
        return answer

    def _answer(self, items: Sequence[Item]) -> list[NodeOutcome | ProgramError]:
        """Run the program once for all; where that fails, once for each, to lose failing records only."""
        if not items:
            return []
        try:
            return self._run_once(items)
        except ProgramError as fault:
            if len(items) == 1 and isinstance(fault, ProgramTimeoutError):
                where = f"{self._site.name}: {items[0].utterance.id}"
                raise TransientError(f"{where}: {fault}; try again, or raise timeout") from fault
            if len(items) == 1:
                return [fault]
        answers = [answer for item in items for answer in self._answer([item])]
        if len(answers) >= _MIN_FAILURES and all(isinstance(answer, ProgramError) for answer in answers):
            raise AntiphonError(f"{self._site.name}: the program fails for every record: {answers[0]}")
        return answers

    def _run_once(self, items: Sequence[Item]) -> list[NodeOutcome | ProgramError]:
        """Run the program once and return its answers.

        Raises:
            ProgramError: it failed, or some answers belong to no record or to another.
        """
        output = run_program(self._command, self._encode(items), self._timeout)
        lines = output.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        if len(lines) != len(items):
            raise ProgramError("wrong count", f"expected {len(items)} lines, found {len(lines)}")
        answers = [self._parse_line(line, item) for line, item in zip(lines, items, strict=True)]
        if len(items) > 1 and any(isinstance(a, ProgramError) and a.reason == "wrong id" for a in answers):
            raise ProgramError("wrong id", "expected answers in the order of the records")
        return answers

    def _encode(self, items: Sequence[Item]) -> bytes:
        records = [to_plain(item, self._site) for item in items]
        if self._lines:
            rows = [" ".join((record["text"] or "").splitlines()) for record in records]
        else:
            rows = [json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records]
        return "".join(row + "\n" for row in rows).encode()

    def _parse_line(self, line: bytes, item: Item) -> NodeOutcome | ProgramError:
        try:
            text = line.decode().removesuffix("\r")
            answer: Any = text if self._lines else parse_json(text)
            if self._lines and self._output == "table" and not self._branches:
                answer = float(text)
        except ValueError as error:
            return ProgramError(
                "unexpected answer", f"expected a line of UTF-8, found {error}: {line[:60]!r}"
            )
        if not self._lines and (not isinstance(answer, dict) or "id" not in answer):
            return ProgramError("unexpected answer", f"expected an object with an id, found {text[:80]}")
        if not self._lines and answer["id"] != item.utterance.id:
            return ProgramError("wrong id", f"expected {item.utterance.id!r}, found {answer['id']!r:.80}")
        try:
            return to_outcome(answer, item, self._site, self._output, self._branches)
        except DataError as error:
            return ProgramError("unexpected answer", str(error))


def run_program(command: Sequence[str], stdin: bytes, timeout: float) -> bytes:
    """Run a program on bytes and return what it writes.

    Raises:
        ProgramError: it does not start, ends with another code than 0, takes too long or writes without end.
    """
    guard, process = _start(command)
    try:
        return _communicate(process, Path(command[0]).name, stdin, timeout)
    finally:
        guard.release()  # kills the program and everything that it started
        process.wait()


def _start(command: Sequence[str]) -> tuple[ProcessGuard, subprocess.Popen[bytes]]:
    """Start a program in the group of a guard, with which it ends."""
    guard = None
    try:
        guard = ProcessGuard()
        process = subprocess.Popen(  # noqa: S603 - what code.py allows, without a shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=guard.group,
        )
    except OSError as error:
        if guard is not None:
            guard.release()
        raise ProgramError("program failed", f"expected to start {command[0]}, found {error}") from error
    return guard, process


def _communicate(process: subprocess.Popen[bytes], name: str, stdin: bytes, timeout: float) -> bytes:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    output, errors = _ReaderThread(process.stdout), _ReaderThread(process.stderr)
    writing = Thread(target=_write, args=(process.stdin, stdin), daemon=True)
    writing.start()
    deadline = time.monotonic() + timeout
    output.join(timeout)
    if len(output.content) > MAX_OUTPUT_BYTES:
        raise ProgramError(
            "program failed", f"expected at most {MAX_OUTPUT_BYTES} bytes of {name}, found more"
        )
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    code = process.poll()
    if code is None or output.is_alive():
        raise ProgramTimeoutError(f"expected {name} to end in {timeout:g} s, found it running")
    if code:
        errors.join(1.0)
        last = (
            errors.content.decode(errors="replace").strip().splitlines() or ["nothing on standard error"]
        )[-1]
        raise ProgramError("program failed", f"expected {name} to end with 0, found {code}: {last[:300]}")
    return output.content


class _ReaderThread(Thread):
    """A thread that reads a stream to its end, or up to the limit."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.content = b""
        self.start()

    def run(self) -> None:
        with suppress(OSError, ValueError):
            self.content = self._stream.read(MAX_OUTPUT_BYTES + 1)


def _write(stream: IO[bytes], content: bytes) -> None:
    with suppress(OSError), stream:  # a program need not read all of it
        stream.write(content)
