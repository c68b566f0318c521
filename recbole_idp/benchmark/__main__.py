"""``python -m recbole_idp.benchmark TASK --key=value ...``."""

import sys

from recbole_idp.benchmark.command import main

if __name__ == "__main__":
    sys.exit(main())
