"""Damage to the bytes of a file, and to the values in it: what disks, editors and bad intent do."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Sequence
from typing import Any

HOSTILE = (
    "\0", "\x1b[2J", "\ufeff", "\u2028", "\u202e", "\ud800", "é", "🎈", "\r", "\n", "\n\n", "\t",
    " " * 500, '"',
    "<", "</", "<a", "<i>", "{", "}", "{{", "[", "]", "[" * 200, '{"a":' * 200, "[" * 5000, "*a", "&a ",
    "<<: ", "!!x ",
    "-->", "00:00:01,000 --> 00:00:02,000", "99:99:99.999", "WEBVTT", "NOTE", "-1", "1e999", "NaN",
    "9" * 5000, "0x1",
    "../../etc/passwd", "/dev/zero", "C:\\", "file://x", "http://127.0.0.1:9/", "=1+1", "$(touch x)",
    "<script>",
    "null", "true", "[]", "{}", "a: b", "- ", "? ", "id", "text", "a" * 200_000, "\\" * 50, "\\u0000",
    "PK\3\4", "'",
)  # fmt: skip
"""Pieces that some reader gives a meaning."""
NESTED = "nested lists"
"""Stands for lists inside each other, which ``json`` cannot write."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, float("inf"), "", "x", "x" * 5000, "../../../etc", "/etc/passwd",
    "\ud800",
    NESTED, [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, "a" * 64, [1] * 1000, "\0",
)  # fmt: skip
"""Values in the place of others."""


def mutate(seed: bytes, draw: random.Random) -> bytes:
    """Damage a file at one to four places: flip, cut, insert, duplicate, swap, or splice a hostile piece."""
    content = bytearray(seed)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, end = sorted((draw.randint(0, len(content)), draw.randint(0, len(content))))
        end = min(end, at + draw.choice((1, 8, 100, len(content))))
        match draw.randrange(8):
            case 0:
                content[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del content[at:end]
            case 2:
                content[at:at] = draw.randbytes(draw.choice((1, 4, 64)))
            case 3:
                content[at:at] = content[at:end] * draw.choice((1, 2, 50))
            case 4:
                del content[at:]
            case 5:
                other = draw.randint(0, len(content))
                content[at:end], content[other:other] = b"", content[at:end]
            case _:
                piece = draw.choice(HOSTILE).encode("utf-8", "surrogatepass")
                content[at : draw.choice((at, end))] = piece * draw.choice(
                    (1, 1, 2, 1 + 20_000 // len(piece))
                )
    return bytes(content)


def mutate_lines(seed: bytes, draw: random.Random) -> bytes:
    """Damage whole lines or cells: leave out, repeat, exchange, or put a hostile piece for one."""
    separator = draw.choice((b"\n", b"\n", b"\t", b",", b": "))
    parts = seed.split(separator)
    for _ in range(draw.choice((1, 2, 3))):
        at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
        match draw.randrange(4):
            case 0:
                del parts[at : at + draw.randint(0, 1)]
                parts = parts or [b""]
            case 1:
                parts[at:at] = [parts[other]] * draw.choice((1, 2, 300))
            case 2:
                parts[at] = parts[other]
            case _:
                parts[at] = draw.choice(HOSTILE).encode("utf-8", "surrogatepass")
    return separator.join(parts)


def mutate_value(value: Any, draw: random.Random) -> Any:
    """Change one value inside a JSON value: put another in its place, leave it out, or repeat it."""
    places = list(_places(value))
    if not places:
        return draw.choice(VALUES)
    copy = json.loads(json.dumps(value))
    *above, last = draw.choice(places)
    parent = copy
    for key in above:
        parent = parent[key]
    match draw.randrange(4):
        case 0 if isinstance(parent, dict):
            del parent[last]
        case 0:
            parent[last:last] = [parent[last]] * draw.choice((1, 2, 100))
        case 1:
            *other, key = draw.choice(places)
            parent[last] = json.loads(json.dumps(_inside(value, [*other, key])))
        case _:
            parent[last] = draw.choice(VALUES)
    return copy


def _places(value: Any, path: Sequence[Any] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def _inside(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutate_json(seed: bytes, draw: random.Random) -> bytes:
    """Change values of a JSON file, or of a line of it."""
    lines = (
        seed.decode().splitlines()
        if seed.count(b"\n") > 1 and not seed.startswith(b"{\n")
        else [seed.decode()]
    )
    at = draw.randrange(len(lines))
    depth = draw.choice((101, 950, 5000, 100_000))
    text = json.dumps(mutate_value(json.loads(lines[at]), draw))
    lines[at] = text.replace(f'"{NESTED}"', "[" * depth + "]" * depth)
    return "\n".join(lines).encode()


def mutate_parts(seed: bytes, draw: random.Random) -> bytes:
    """Damage one part of a zip, which stays one."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(seed)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        names = source.namelist()
        chosen = draw.choice([*names, *["word/document.xml"] * 5])
        for name in names:
            content = source.read(name)
            target.writestr(
                name, draw.choice((mutate, mutate_tags))(content, draw) if name == chosen else content
            )
    return out.getvalue()


def mutate_tags(seed: bytes, draw: random.Random) -> bytes:
    """Leave out, repeat or exchange tags of XML."""
    parts = seed.split(b"<")
    for _ in range(draw.choice((1, 2, 5))):
        at, other = draw.randrange(1, len(parts)), draw.randrange(1, len(parts))
        parts[at : at + draw.randint(0, 1)] = [parts[other]] * draw.choice((0, 1, 2, 50))
        if len(parts) < 2:
            break
    return b"<".join(parts)
