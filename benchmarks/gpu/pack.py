"""Whisper's weights in few bits, small enough to travel to a machine that can fetch nothing.

``python -m benchmarks.gpu.pack --out FILE`` packs ``packaged:whisper-tiny.en``: every matrix in signed
integers of ``--bits`` with one float16 scale for 64 weights. It is no model to be used: texts are somewhat
worse. The law that is tested with it (a card gives the texts of the CPU) is about two machines that unpack
the same file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

MODEL = "packaged:whisper-tiny.en"
GROUP = 64
"""Weights that share a scale."""
DEFAULT = Path("tiny.en.pack")
"""Git ignores files ``*.pack``."""
_PACKED, _SCALES, _PLAIN = "packed.", "scales.", "plain."


def pack_values(values: NDArray[np.float32], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Numbers as integers of ``bits`` and the scales of their groups.

    Returns:
        The bits of all integers, eight in a byte, the first the highest; the scales, one for 64 numbers.
    """
    flat = np.pad(values.ravel(), (0, -values.size % GROUP)).reshape(-1, GROUP)
    largest = 2 ** (bits - 1) - 1
    scales = (np.abs(flat).max(1) / largest).astype(np.float16)
    divisors = np.where(scales > 0, scales, 1).astype(np.float32)[:, None]
    integers = np.clip(np.rint(flat / divisors), -largest, largest).astype(np.int16) + largest
    places = np.arange(bits - 1, -1, -1, dtype=np.int16)
    return np.packbits((integers.ravel()[:, None] >> places & 1).astype(np.uint8)), scales


def unpack_values(
    packed: NDArray[np.uint8], scales: NDArray[np.float16], shape: tuple[int, ...], bits: int
) -> NDArray[np.float32]:
    """The numbers that :func:`pack_values` kept, (shape)."""
    count = len(scales) * GROUP
    places = 2 ** np.arange(bits - 1, -1, -1, dtype=np.int32)
    integers = np.unpackbits(packed, count=count * bits).reshape(-1, bits) @ places - (2 ** (bits - 1) - 1)
    values = integers.reshape(-1, GROUP).astype(np.float32) * scales.astype(np.float32)[:, None]
    return values.ravel()[: int(np.prod(shape))].reshape(shape)


def write_pack(model: Whisper, path: Path, bits: int) -> None:
    """Write the weights of a Whisper and its sizes. Vectors are kept as they are, matrices in ``bits``."""
    arrays: dict[str, NDArray[np.generic]] = {}
    shapes = {}
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        if values.ndim < 2:
            arrays[_PLAIN + name] = values
        else:
            arrays[_PACKED + name], arrays[_SCALES + name] = pack_values(values, bits)
            shapes[name] = values.shape
    facts = {"bits": bits, "dimensions": vars(model.dims), "shapes": shapes}
    save_file(arrays, path, {"facts": json.dumps(facts)})


def read_pack(path: Path) -> Whisper:
    """The Whisper of a file of :func:`write_pack`, in float32 on the CPU."""
    with safe_open(path, "numpy") as file:
        facts = json.loads(file.metadata()["facts"])
        model = Whisper(ModelDimensions(**facts["dimensions"])).eval()
        state: dict[str, Tensor] = {}
        for name in model.state_dict():
            if name in facts["shapes"]:
                parts = (file.get_tensor(prefix + name) for prefix in (_PACKED, _SCALES))
                array = unpack_values(*parts, tuple(facts["shapes"][name]), facts["bits"])
            else:
                array = file.get_tensor(_PLAIN + name)
            state[name] = torch.from_numpy(array)
    model.load_state_dict(state)
    return model


def parser() -> argparse.ArgumentParser:
    """The options of this command."""
    command = argparse.ArgumentParser("python -m benchmarks.gpu.pack", description=__doc__)
    command.add_argument("--out", type=Path, default=DEFAULT, help="file to write")
    command.add_argument("--bits", type=int, default=6, choices=range(2, 9), help="of a weight")
    return command


def main() -> None:
    """Pack the model and say how large it is."""
    from components.models import resolve
    from components.models.loaders.whisper_loading import load_whisper

    options = parser().parse_args()
    write_pack(load_whisper(resolve(MODEL)), options.out, options.bits)
    print(f"{options.out}: {options.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
