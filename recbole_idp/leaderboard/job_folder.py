"""Where a leaderboard keeps what its jobs have left: a folder for each fingerprint, so that no job is run twice."""

import json
from pathlib import Path

from recbole_idp.errors import UserError
from recbole_idp.report.result import read_ranks, read_result
from recbole_idp.storage.files import write_json

JOB = "job.json"
LOG = "job.log"


class JobFolder:
    """The folder of one job.

    Args:
        root (str | Path): ``checkpoint_dir``.
        job (Job): The job.
    """

    def __init__(self, root, job):
        self.path = Path(root) / "leaderboard" / job.fingerprint
        self.job = job

    @property
    def log(self):
        """Path: What the job printed."""
        return self.path / LOG

    def prepare(self):
        """Makes the folder, and says in it which job it is for."""
        write_json(self.path / JOB, {"name": self.job.name, "command": self.job.command()})

    def result(self):
        """Finds the result of the job.

        Returns:
            Path | None: The file; None where the job has not been finished.

        Raises:
            UserError: The file is damaged or of another version, or two results of the job disagree.
        """
        found = [path for path in sorted(self.path.glob("*.json")) if path.name != JOB]
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

    def last_line(self):
        """Returns the last line that the job has printed, which says why it failed."""
        try:
            lines = [line.strip() for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines()]
        except OSError:
            lines = []
        return next((line for line in reversed(lines) if line), "it printed nothing")


def load(path):
    """Reads a job's result and its ranks.

    Args:
        path (Path): What :meth:`JobFolder.result` returned.

    Returns:
        tuple[dict, Ranks | None]: Both.
    """
    return read_result(path), read_ranks(path)


def _scores(result):
    """Returns what two results of one job must have in common."""
    return json.dumps(
        {row: (found["test"], found["valid"]) for row, found in result["variants"].items()}, sort_keys=True
    )
