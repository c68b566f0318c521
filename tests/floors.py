"""The oldest versions that setup.py allows, as a requirements file: ``python tests/floors.py`` writes tests/floors.txt.

It reads what setup.py said when the package was installed: install it again first.
"""

import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement

EXTRAS = ("offline", "test")
PATH = Path(__file__).resolve().parent / "floors.txt"


def floors(requirements):
    """Returns the text of tests/floors.txt.

    Args:
        requirements (list[str]): Requirements as the metadata of the package names them.

    Returns:
        str: A line a requirement, in the order of names, with its lower bound as the one version that is allowed.
    """
    found = set()
    for requirement in map(Requirement, requirements):
        # The other extras are tools of the project, and export, whose packages need a newer torch.
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS)):
            continue
        bounds = [bound.version for bound in requirement.specifier if bound.operator in (">=", "==")]
        found.update(f"{requirement.name}=={version}" for version in bounds)
    title = "# Made by python tests/floors.py from setup.py's lower bounds; .ci/matrix floors tests with them"
    return "\n".join([title, *sorted(found)]) + "\n"


if __name__ == "__main__":
    PATH.write_text(floors(importlib.metadata.requires("recbole_idp")), encoding="utf-8")
