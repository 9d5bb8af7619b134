"""``python -m tests.fuzzing [--mutations N] [--seed N] [--keep FOLDER] [READER...]``."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path

from tests.fuzzing.readers import READERS
from tests.fuzzing.run import fuzz

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("readers", nargs="*", default=list(READERS), metavar="READER", help=", ".join(READERS))
parser.add_argument("--mutations", type=int, default=2000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--keep", type=Path, help="folder for what failed")
arguments = parser.parse_args()
logging.disable(logging.CRITICAL)
for name in arguments.readers:
    began, kinds = time.process_time(), dict[str, int]()
    with tempfile.TemporaryDirectory() as folder:
        for failure in fuzz(READERS[name], arguments.mutations, Path(folder), arguments.seed):
            last = failure.what.strip().splitlines()[-1][:150]
            kinds[last] = kinds.get(last, 0) + 1
            if kinds[last] == 1:
                print(f"{name} {failure.number}:\n{failure.what}")
                if arguments.keep:
                    arguments.keep.mkdir(exist_ok=True)
                    (arguments.keep / f"{failure.number}.{READERS[name].name}").write_bytes(failure.content)
    seconds = time.process_time() - began
    print(f"{name}: {sum(kinds.values())} of {arguments.mutations} failed, {seconds:.0f} CPU s", flush=True)
