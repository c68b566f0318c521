"""The card of a repository on the hub: what the folder says about itself, in the hub's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recbole_idp.terminal.printable import printable

_USE = re.compile(r"^Use it: `(.+)`\n?", re.MULTILINE)
_INSTALL = "pip install recbole_idp"


def use_command(own_card: str, repository: str) -> str:
    """Return the command that uses a folder, which its own card has for a folder of this machine."""
    found = _USE.search(own_card)
    command = found[1] if found else "recbole-idp help"
    return command.replace("python run_recbole_idp.py", "recbole-idp run").replace("THIS_FOLDER", f"hf://{repository}")


def hub_card(repository: str, about: Mapping[str, Any], own_card: str, license: str | None) -> str:
    """Return the card.

    Args:
        repository: ``user/name``.
        about: The folder's description.
        own_card: The folder's own card.
        license: Licence of the model; None: the card names none.

    Returns:
        Markdown after a head of YAML.
    """
    from huggingface_hub import ModelCardData

    head = ModelCardData(
        library_name="recbole_idp",
        license=license,
        tags=["recommendation", "sequential-recommendation", "cross-domain-recommendation", "recbole"],
        # The hub takes the key datasets for repositories of its own, which these are not.
        domains=_domains(about),
        format=f"{about['format']}, version {about['version']}",
    ).to_yaml()
    title, _, body = _USE.sub("", own_card).strip().partition("\n")
    rows = "".join(f"| {name} | {_cell(value)} |\n" for name, value in _facts(about).items())
    return (
        f"---\n{head.strip()}\n---\n\n{title}\n\n```bash\n{_INSTALL}\n{use_command(own_card, repository)}\n```\n\n"
        f"{body.strip()}\n\n| fact | value |\n| --- | --- |\n{rows}\n"
        "The folder `model/` is sealed: each of its files is compared with its hash before anything uses it, and "
        "opening it executes nothing.\n"
    )


def _domains(about: Mapping[str, Any]) -> list[str]:
    """Return the names of the datasets that a folder was trained on."""
    names = [domain["name"] for domain in about.get("domains", ())]
    names += (about.get("bundle") or {}).get("domains", ()) or about.get("pretrained_on", ())
    own = [about["dataset"]] if "dataset" in about else []
    return list(dict.fromkeys([*names, *own]))


def _facts(about: Mapping[str, Any]) -> dict[str, str]:
    """Return what a description says, by name; what it does not say is left out."""
    sizes = about.get("encoder") or about.get("sizes") or {}
    found = {
        "format": f"{about['format']}, version {about['version']}",
        "trained on": ", ".join(_domains(about)),
        "encoder": ", ".join(
            f"{name} {value}" for name, value in sizes.items() if isinstance(value, str | int | float)
        ),
        "text encoder": (about.get("text_encoder") or {}).get("name", ""),
        "validation": _metrics(about.get("valid")),
        "test": _metrics(about.get("test")),
        "seed": str(about.get("seed", "")),
        "fingerprint": about.get("fingerprint", ""),
        "versions": ", ".join(f"{name} {value}" for name, value in about.get("versions", {}).items()),
    }
    return {name: value for name, value in found.items() if value}


def _metrics(values: Mapping[str, float] | None) -> str:
    """Return metrics in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in (values or {}).items())


def _cell(text: str) -> str:
    """Return a text as the cell of a table."""
    return printable(text).replace("|", "\\|")
