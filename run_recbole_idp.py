"""Runs the plugin from a checkout: ``python run_recbole_idp.py [TASK] --key=value ...``."""

import sys

try:
    from recbole_idp.__main__ import main
except KeyboardInterrupt:
    # Nothing has begun, and there is nothing to say. 130 is what a shell says of a process that Ctrl-C has ended.
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
