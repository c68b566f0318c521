"""A job of a leaderboard: one training, identified by the fingerprint of all that its numbers depend on."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recbole_idp import registry
from recbole_idp.config.fingerprint import values_that_affect
from recbole_idp.config.setting import Affects
from recbole_idp.content.image.digest import picture_digest
from recbole_idp.content.text.own.files import given_hashes
from recbole_idp.data.catalog import locate, with_fixed_split
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.item_text import ItemFileFormat
from recbole_idp.data.keys import joined_with, read_beside
from recbole_idp.run.keys import AUTO
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint, sha256_of_file
from recbole_idp.storage.sealed import content_digest


@dataclass(frozen=True)
class Job:
    """One training of one model on one dataset with one seed.

    Attributes:
        row: The name of its row on the board; the model's, unless the row has options of its own.
        model: The model's name.
        dataset: The dataset's name.
        seed: The seed.
        options: The other options, as on the command line.
        values: Every key's value.
        transfers: Whether it is pre-trained on source domains.
        fingerprint: Digits for everything that its numbers depend on.
        trial: Its number in the study of its row; None: it is no trial.
        reports_to: Value of ``tune_trial``: where each validation is reported; None: nowhere.
    """

    row: str
    model: str
    dataset: str
    seed: int
    options: dict[str, Any] = field(compare=False)
    values: dict[str, Any] = field(compare=False)
    transfers: bool
    fingerprint: str
    trial: int | None = field(default=None, compare=False)
    reports_to: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The name that is shown to users."""
        trial = "" if self.trial is None else f", trial {self.trial}"
        return f"{self.row} on {self.dataset}, seed {self.seed}{trial}"

    def arguments(self) -> list[str]:
        """Return the job as arguments of the command line."""
        return [*self._given(), *([f"--tune_trial={self.reports_to}"] if self.reports_to else [])]

    def command(self) -> str:
        """Return the command that trains the same outside the leaderboard."""
        return shlex.join(["python", "run_recbole_idp.py", *self._given()])

    def _given(self) -> list[str]:
        given = {"model": self.model, "dataset": self.dataset, "seeds": self.seed, **self.options}
        return [f"--{key}={value}" for key, value in given.items()]


class DataContent:
    """The content of the datasets of one board, each read once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], dict[str, str]] = {}
        self._pictures: dict[tuple[Any, ...], str] = {}

    def hashes(self, name: str, data_path: str, *fixed: str, with_items: bool = True) -> dict[str, str]:
        """Return the content hashes of a dataset's files; see :func:`content_hashes`."""
        key = (name, data_path, fixed, with_items)
        if key not in self._found:
            self._found[key] = content_hashes(with_fixed_split(locate(name, data_path), fixed), with_items)
        return self._found[key]

    def pictures(self, name: str, values: Mapping[str, Any], key: str) -> str:
        """Return digits for the content of a dataset's pictures; ``key`` names their column."""
        file_format = ItemFileFormat.of({"encoding": None, **values})  # type: ignore[arg-type]  # values by key
        of = ("pictures", name, values["data_path"], values[key], file_format)
        if of not in self._pictures:
            self._pictures[of] = picture_digest(locate(name, values["data_path"]), values[key], key, file_format)
        return self._pictures[of]


def job_fingerprint(values: dict[str, Any], transfers: bool, content: DataContent) -> str:
    """Return 16 hexadecimal digits for what a job's numbers depend on: its values, the content of data, versions."""
    matters = values_that_affect(values, values["model"], Affects.ALL)
    matters |= {"seeds": values["seeds"], "few_shot": values["few_shot"]}
    if values["compare_join"] and joined_with(values["dataset"], values["shared_users"]):
        matters["compare_join"] = True
    if AUTO in (values["variants"] or ()):
        matters["variants"] = [AUTO]
    # The board divides the threads between jobs.
    del matters["threads"]
    items = registry.reads_items(values["model"], values["load_col"], values.get("selected_features"))
    fixed = values["benchmark_filename"] or []
    hashes: list[dict[str, str] | str] = [
        content.hashes(values["dataset"], values["data_path"], *fixed, with_items=items)
    ]
    beside = read_beside(values["model"], values["dataset"], values["shared_users"], values["source_domains"])
    for name in beside:
        hashes.append(content.hashes(name, values["data_path"], with_items=items))
    if values["profile_field"]:
        hashes.append(sha256_of_file(locate(values["dataset"], values["data_path"]).user_file))
    hashes += given_hashes([values["text_vectors"], *(values["source_text_vectors"] or {}).values()])
    if registry.reads_pictures(values["model"], values):
        hashes.append(content.pictures(values["dataset"], values, "image_field"))
    if transfers and values["pretrained"]:
        hashes.append(content_digest(values["pretrained"]))
    elif transfers:
        hashes += [content.hashes(name, values["data_path"]) for name in values["source_domains"]]
        if registry.reads_source_pictures(values["model"], values):
            hashes += [content.pictures(name, values, "source_image_field") for name in values["source_domains"]]
    return fingerprint([matters, hashes, versions()])
