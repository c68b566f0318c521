"""``python -m recbole_idp``, and the console command ``recbole-idp``."""

import sys


def main() -> int:
    """Run the command line of this process.

    Returns:
        The exit status, as of :func:`recbole_idp.cli.main.main`; 130 after Ctrl-C while that is imported, silently:
        nothing has begun.
    """
    try:
        from recbole_idp.cli.main import main as command

        return command()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
