"""``python -m recbole_idp``: the same as the console command ``recbole-idp``."""

import sys

from recbole_idp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
