"""The results of a leaderboard's jobs: a folder for each fingerprint, so that no job is run twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_idp.errors import UserError
from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.storage.files import write_json

if TYPE_CHECKING:
    from recbole_idp.leaderboard.job import Job
    from recbole_idp.report.ranks import Ranks


JOB = "job.json"
LOG = "job.log"


class JobFolder:
    """The folder of one job.

    Args:
        root: ``checkpoint_dir``.
        job: The job.
    """

    def __init__(self, root: str | Path, job: Job) -> None:
        self.path = Path(root) / "leaderboard" / job.fingerprint
        self.job = job

    @property
    def log(self) -> Path:
        """Path of the file with the job's output."""
        return self.path / LOG

    def prepare(self) -> None:
        """Make the folder, and write into it which job it is for."""
        write_json(self.path / JOB, {"name": self.job.name, "command": self.job.command()})

    def result(self) -> Path | None:
        """Find the result of the job.

        Returns:
            The file; None where the job has not been finished.

        Raises:
            UserError: The file is damaged or of another version, or two results of the job disagree.
        """
        found = self._results()
        if not found:
            return None
        results = {path: _scores(read_result(path)) for path in found}
        for path in found[1:]:
            if results[path] != results[found[0]]:
                raise UserError(
                    f"{found[0]} and {path.name} are results of one job with different numbers: delete the folder "
                    f"{self.path}, and the job is run again"
                )
        return found[0]

    def reported(self) -> list[tuple[int, float]] | None:
        """Return the validation after each epoch, where the job was a trial of a study: epochs and values.

        Returns:
            As :meth:`~recbole_idp.run.reports.Reporter.reported`; None where no result has it.
        """
        for path in self._results():
            for row in read_result(path)["variants"].values():
                for run in row["runs"]:
                    if (found := run.get("reported")) is not None:
                        return [(int(epoch), float(value)) for epoch, value in found]
        return None

    def _results(self) -> list[Path]:
        return [path for path in sorted(self.path.glob("*.json")) if path.name != JOB]

    def last_line(self) -> str:
        """Return the last line of the job's output, which says why it failed."""
        try:
            lines = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        except OSError:
            lines = []
        return next((line for line in reversed(lines) if line), "it printed nothing")


def load(path: Path) -> tuple[dict[str, Any], Ranks | None]:
    """Read a job's result and its ranks.

    Args:
        path: What :meth:`JobFolder.result` returned.

    Returns:
        The result and its ranks; None where its protocol has none.
    """
    return read_result(path), read_ranks(path)


def _scores(result: dict[str, Any]) -> str:
    """Return the scores of a result as text; two results of one job must have the same."""
    return json.dumps(
        {row: (found["test"], found["valid"]) for row, found in result["variants"].items()}, sort_keys=True
    )
