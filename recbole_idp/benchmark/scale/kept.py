"""The file of finished measurements, from which an interrupted benchmark goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_idp.storage.files import read_json, write_json

FORMAT = 1


class Kept:
    """Measurements by the key of their request.

    Args:
        path: The file.
        fresh: Whether to forget what it has.
    """

    def __init__(self, path: Path, fresh: bool) -> None:
        self._path = path
        content = {} if fresh or not path.is_file() else read_json(path, "measurements", "delete it, or give --fresh")
        self._found: dict[str, Any] = content.get("measurements", {}) if content.get("format") == FORMAT else {}

    def find(self, key: str, seconds: float) -> dict[str, dict[str, Any]] | None:
        """Return the stages of a measurement.

        Args:
            key: The key of the request.
            seconds: What a stage may take now.

        Returns:
            None where it is not kept, or where a stage was not measured that may take longer now.
        """
        found = self._found.get(key)
        if found is None:
            return None
        whole = all("ended" not in facts for facts in found["stages"].values())
        return found["stages"] if whole or seconds <= found["limit"] else None

    def keep(self, key: str, stages: dict[str, dict[str, Any]], seconds: float) -> None:
        """Keep a measurement; arguments as in :meth:`find`."""
        self._found[key] = {"stages": stages, "limit": seconds}
        write_json(self._path, {"format": FORMAT, "measurements": self._found})
