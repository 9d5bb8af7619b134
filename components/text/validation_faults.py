"""What pydantic finds wrong with a value, in the words of the house: expected, found, did you mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.files.redaction import redact
from components.text.suggestions import did_you_mean

MAX_SHOWN_CHARACTERS = 200
"""Characters of a wrong value that an error shows."""
_EXPECTED = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
    "extra_forbidden": "no setting of this name",
    "missing": "a value, found none",
    **dict.fromkeys(("byte_size", "byte_size_unit"), "a size such as 4GB"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "finite_number": "a finite number",
    "string_type": "text",
    **dict.fromkeys(("tuple_type", "list_type"), "a list, such as [a, b]"),
    **dict.fromkeys(("dict_type", "model_type"), "a group of settings"),
    "string_pattern_mismatch": "a text that matches {pattern}",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}
"""Type of pydantic's errors -> what was expected, with the fields of the error's context."""


def list_faults(error: ValidationError) -> list[ErrorDetails]:
    """Return what is wrong with settings; a list of which an item is wrong is not too short as well."""
    faults = error.errors()
    lists = [fault["loc"][:-1] for fault in faults]
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in lists]


def describe_value_fault(fault: Mapping[str, Any]) -> str:
    """Return one pydantic error without its place and without secrets, on one line: expected, found."""
    context = dict(fault.get("ctx") or {})
    message = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    hint = ""
    if (template := _EXPECTED.get(fault["type"])) is not None:
        if "expected" in context:
            choices = [part.strip("' ") for part in context["expected"].replace(" or ", ", ").split(", ")]
            context["expected"] = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
            hint = did_you_mean(str(fault["input"]), choices)
        message = f"expected {template.format(**context)}"
    of_all = fault["type"] == "value_error" and isinstance(fault["input"], Mapping)  # says what it compared
    if "found" not in message and not of_all:
        value = redact(repr(fault["input"]))  # before it is cut, which may hide what follows a secret
        cut = value if len(value) <= MAX_SHOWN_CHARACTERS else f"{value[:MAX_SHOWN_CHARACTERS]}..."
        message += f", found {cut}{hint}"
    return redact(message)
