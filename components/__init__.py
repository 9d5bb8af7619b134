"""Models and algorithms. Works without Prefect; never imports it."""

import os

# Before torch loads OpenMP: its threads spin while they wait, which beside other work costs 4 to 6 times the
# wall time; some microseconds of it save what waking costs (docs/decisions/0005). The user's settings stay.
if os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE") == "PASSIVE":
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
