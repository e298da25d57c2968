"""How many requests the slow fuzz tests send. `FUZZ_REQUESTS=20000` sends more."""

import os

FUZZ = int(os.environ.get("FUZZ_REQUESTS", "1000"))
