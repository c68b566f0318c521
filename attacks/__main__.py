"""Try all hostile files: ``python -m attacks``, or ``python -m attacks GROUP ...``."""

import argparse
import sys
import tempfile
from pathlib import Path

GROUPS = ("folders", "encoders", "files", "data")


def main(argv: list[str]) -> int:
    """Try the attacks of some groups, print the counts, and return 1 where one was not refused."""
    parser = argparse.ArgumentParser(prog="python -m attacks", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="which; all by default")
    parser.add_argument("--every", type=int, default=1, help="try every n-th attack alone")
    options = parser.parse_args(argv)
    import importlib
    import itertools

    from attacks.kit import Yard, limit, try_all
    from attacks.samples import check_sound, make_samples

    wrong = total = 0
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as place:
        samples = make_samples(Path(made))
        check_sound(samples)
        yard = Yard(Path(place))
        limit()
        for group in options.groups or GROUPS:
            attacks = importlib.import_module(f"attacks.{group}").attacks(samples, yard)
            refused, failures = try_all(itertools.islice(attacks, 0, None, options.every), yard)
            print(f"{group}: {refused + len(failures)} hostile inputs, {refused} refused")
            print("\n".join(f"  {failure}" for failure in failures), end="\n" if failures else "")
            wrong, total = wrong + len(failures), total + refused + len(failures)
    print(f"in all: {total} hostile inputs, {total - wrong} refused")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
