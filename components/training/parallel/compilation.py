"""Compiled training: torch.compile of a model's forward pass, in training only."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from components.errors import ConfigError, to_one_line

COMPILED = ("translation", "language_model", "recognition")
"""Kinds of models whose loss is one forward pass of a whole network."""


def check_compiler(device: torch.device) -> None:
    """Refuse to compile where torch's compiler has not what it needs.

    Raises:
        ConfigError: what is missing.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"compile: expected a C++ compiler, found no program {compiler}; install one (Debian: apt-get "
            "install g++), name one in CXX, or leave compile out"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").is_file():
        raise ConfigError(
            f"compile: expected Python's headers, found no {headers / 'Python.h'}; install them (Debian: "
            "apt-get install python3-dev), or leave compile out"
        )
    if device.type == "cuda" and find_spec("triton") is None:
        raise ConfigError(
            "compile: expected triton, which compiles for a card, found it missing; leave compile out"
        )


def require_compilable(kind: str) -> None:
    """Refuse kinds of models whose passes are not one forward pass of a whole network.

    Raises:
        ConfigError: it is one of them.
    """
    if kind not in COMPILED:
        raise ConfigError(
            f"compile: expected a training of kind {', '.join(COMPILED)}, found {kind}; leave compile out"
        )


def compile_forward(model: Any) -> None:
    """Compile the forward pass of a transformers model without its head, for batches of any shape, in place.

    Names of weights stay. What is computed in evaluation, such as ``generate``, stays as it was.
    """
    network = model.model
    plain = network.forward
    compiled = torch.compile(plain, dynamic=True)

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        return (compiled if network.training else plain)(*args, **kwargs)

    network.forward = forward


@contextmanager
def explain_compiler_errors() -> Iterator[None]:
    """Turn what torch's compiler raises, in the forward or the backward pass, into one line.

    Raises:
        ConfigError: the model does not compile.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch._dynamo.exc.TorchDynamoException):
            raise
        raise ConfigError(
            f"compile: expected that torch compiles the model, found {to_one_line(error)}; leave compile out"
        ) from error
