"""Read a folder of titles: a text file for each item, named by its id."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from recbole_idp.data.convert.item_facts import MOST_CHARACTERS, ItemFacts
from recbole_idp.data.convert.named_files import file_names
from recbole_idp.errors import UserError
from recbole_idp.terminal.progress import progress_bar

_SUFFIX = ".txt"
# A character of UTF-8 has at most four bytes; no more of a file is read than a title and a description can be.
_MOST_BYTES = 4 * 2 * MOST_CHARACTERS


class TitleFiles:
    """A folder of files such as ``pen-1.txt``: the first line is the title, the others are the description.

    Links in it are left out: they may lead anywhere.

    Args:
        folder: The folder.

    Raises:
        UserError: It cannot be read, or holds no such file.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        names = file_names(folder, "items")
        self._names = {name.removesuffix(_SUFFIX): name for name in names if name.endswith(_SUFFIX)}
        if not self._names:
            raise UserError(
                f"items {folder} has no file such as ID{_SUFFIX}: name the folder of the titles, or a table of items"
            )

    def facts(self, items: Collection[str]) -> ItemFacts:
        """Read the texts of some items.

        Args:
            items: Their ids.

        Returns:
            Their ``title``, and their ``description`` where a file has more than a line.

        Raises:
            UserError: A file cannot be read.
        """
        texts, undecoded = {}, 0
        for item in progress_bar(sorted(set(items) & self._names.keys()), desc=self._folder.name):
            text = self._head(self._names[item])
            undecoded += "\ufffd" in text
            title, _, rest = text.strip().partition("\n")
            texts[item] = (title, rest)
        described = any(rest.strip() for _, rest in texts.values())
        facts = ItemFacts(items, dict.fromkeys(("title", "description")[: 1 + described], "token_seq"))
        # Says what the names are like where none of them is an item's.
        facts.example = next(iter(self._names))
        for item, columns in texts.items():
            facts.add(item, columns[: 1 + described])
        if undecoded:
            facts.notes.append(f"{undecoded:,} files of {self._folder} are not UTF-8, and lost characters")
        return facts

    def _head(self, name: str) -> str:
        """Return as much of a file as a title and a description can be."""
        path = self._folder / name
        try:
            with open(path, "rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8-sig", errors="replace")
        except OSError as error:
            raise UserError(f"cannot read {path} ({error.strerror}): check its permissions") from None
