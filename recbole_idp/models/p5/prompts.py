"""Write prompts and answers in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbole_idp.models.p5.network import END
from recbole_idp.models.p5.templates import SEQUENTIAL, Template
from recbole_idp.models.p5.tokenizer import PieceTokenizer, plain_words

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SEPARATORS = (",", "->")
"""What stands between the items of a list; a prompt has one of them."""


class PromptWriter:
    """Writes prompts about the items of a catalogue.

    In lists items are their bare numbers, in prompts about a pair they are ``item_`` and the number, as in the authors'
    code. Where titles are named, their first words stand behind the number, in histories and pairs.

    Args:
        tokenizer: The pieces.
        numbers: The number that names each item, 0 for padding; int64, shape [N].
        titles: Title of each item, padding included; length N.
        title_words: Words of a title that are named; 0: none.
        longest: Pieces of a prompt at most; a prompt that is too long loses its earliest events.

    Attributes:
        answers: The pieces of each item as an answer, without the end; length N, empty for padding.
    """

    def __init__(
        self, tokenizer: PieceTokenizer, numbers: ArrayLike, titles: Sequence[str], title_words: int, longest: int
    ) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        self._titles = [plain_words(title, title_words) for title in titles] if title_words else []
        words = [tokenizer.text(title) for title in self._titles] or [[] for _ in titles]
        plain = [str(number) for number in np.asarray(numbers).tolist()]
        self.answers = [[], *(tokenizer.word(number) for number in plain[1:])]
        self._mentions = [bare + more for bare, more in zip(self.answers, words, strict=True)]
        named = [tokenizer.word(f"item_{number}") for number in plain]
        self._things = [name + more for name, more in zip(named, words, strict=True)]
        self._separators = [tokenizer.word(word) for word in SEPARATORS]
        self._parts: dict[Template, list[list[int] | str]] = {}

    def has_title(self, item: int) -> bool:
        """Return whether words of an item's title are named."""
        return bool(self._titles and self._titles[item])

    def history(self, items: Sequence[int], separator: int) -> list[int]:
        """Return the pieces of a list of events."""
        return self._list([self._mentions[item] for item in items], separator)

    def candidates(self, items: Sequence[int], separator: int) -> list[int]:
        """Return the pieces of a list of candidates."""
        return self._list([self.answers[item] for item in items], separator)

    def _list(self, mentions: Sequence[list[int]], separator: int) -> list[int]:
        between = self._separators[separator]
        pieces: list[int] = []
        for number, mention in enumerate(mentions):
            if number:
                pieces += between
            pieces += mention
        return pieces

    def pair(self, user: int, item: int) -> dict[str, list[int]]:
        """Return the parts of prompts about a user and an item."""
        return {"user": self.tokenizer.word(f"user_{user}"), "thing": self._things[item]}

    def title(self, item: int) -> list[int]:
        """Return the pieces of an item's title."""
        return self.tokenizer.text(self._titles[item])

    def prompt(self, template: Template, **parts: list[int]) -> list[int]:
        """Return a prompt with its end.

        Args:
            template: The wording.
            **parts: The pieces of each part that is filled in.
        """
        pieces: list[int] = []
        for part in self._compiled(template):
            pieces += parts[part] if isinstance(part, str) else part
        return [*pieces[: self.longest - 1], END]

    def about_history(
        self, template: Template, items: Sequence[int], separator: int, others: Mapping[str, list[int]] | None = None
    ) -> list[int]:
        """Return a prompt about a history, whose earliest events are left out where it would be too long.

        Args:
            template: The wording.
            items: The items, the latest last.
            separator: Number of the separator.
            others: Further parts.
        """
        others = others or {}
        room = self.longest - len(self.prompt(template, history=[], **others))
        first, used = len(items), 0
        for place in range(len(items) - 1, -1, -1):
            used += len(self._mentions[items[place]]) + len(self._separators[separator])
            if used > room and first < len(items):
                break
            first = place
        return self.prompt(template, history=self.history(items[first:], separator), **others)

    def question(self, template: Template, items: Sequence[int]) -> list[int]:
        """Return the prompt that asks for the item after a history, as evaluation does: always with commas."""
        return self.about_history(template, items, 0)

    def answer(self, words: str) -> list[int]:
        """Return an answer in words with its end."""
        return [*self.tokenizer.text(words), END]

    def item_answer(self, item: int) -> list[int]:
        """Return an item as an answer with its end."""
        return [*self.answers[item], END]

    def _compiled(self, template: Template) -> list[list[int] | str]:
        """Return the pieces of a template, and the names of the parts to fill in."""
        if template not in self._parts:
            self._parts[template] = [
                word[1:-1] if word.startswith("{") else self.tokenizer.word(word) for word in template.words.split()
            ]
        return self._parts[template]


def evaluation_template(unseen: bool) -> Template:
    """Return the wording that evaluation asks in: the first that is trained, or the one that is not."""
    return SEQUENTIAL.unseen if unseen else SEQUENTIAL.trained[0]
