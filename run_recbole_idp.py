"""Runs the plugin from a checkout: ``python run_recbole_idp.py [TASK] --key=value ...``."""

import sys

from recbole_idp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
