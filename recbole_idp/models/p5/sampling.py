"""The prompts that P5 is trained on, drawn anew each epoch (RecSys 2022, Section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from recbole_idp.models.p5.templates import DISLIKE, FAMILIES, LIKE, LIKED, NO, YES, Family, Template

if TYPE_CHECKING:
    from recbole_idp.data.sequences import Targets
    from recbole_idp.models.p5.keys import SamplingSettings
    from recbole_idp.models.p5.prompts import PromptWriter

JITTER = {1: (1.2, 0.1), 2: (1.95, 0.225), 3: (2.95, 0.225), 4: (3.95, 0.225), 5: (4.75, 0.125)}
"""Mean and deviation of the number that stands for a rating in training, as in the authors' code."""

_STARTS, _RECENT = 3, 3


class Ratings(NamedTuple):
    """Ratings of the training part.

    Attributes:
        users: Number of the user's line; int64, shape [R].
        items: int64, shape [R].
        stars: From 1 to 5; int64, shape [R].
    """

    users: np.ndarray
    items: np.ndarray
    stars: np.ndarray


NO_RATINGS = Ratings(*(np.zeros(0, dtype=np.int64) for _ in range(3)))


class Drawn(NamedTuple):
    """A prompt with its answer, in pieces, each with its end."""

    prompt: list[int]
    answer: list[int]


def line_sequences(targets: Targets) -> torch.Tensor:
    """Return the number of the sequence that each stretch of targets is in; int64, shape [S]."""
    return torch.bucketize(targets.spans()[0], targets.sequences.offsets, right=True) - 1


def training_lines(targets: Targets) -> list[np.ndarray]:
    """Return each user's training events: a sequence up to its last target.

    Args:
        targets: The training targets.

    Returns:
        Items in their order, for each stretch of targets; each of two events at least.
    """
    items, begins = targets.sequences.items.numpy(), targets.sequences.offsets[line_sequences(targets)]
    ends = targets.spans()[1]
    return [items[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


@dataclass(frozen=True)
class PromptData:
    """What prompts are drawn from.

    Attributes:
        lines: Each user's training events.
        n_items: The number of items, padding included.
        longest_history: Events of a history at most.
        ratings: The ratings of the training part.
    """

    lines: Sequence[np.ndarray]
    n_items: int
    longest_history: int
    ratings: Ratings = NO_RATINGS


class PromptSampler:
    """Draws the prompts of an epoch.

    A negative is an item without a training event of the user. Users are named by numbers that are drawn once and kept
    nowhere.

    Args:
        data: What they are drawn from.
        writer: Writes them.
        settings: How many of each family.
        seed: Seed of the users' numbers.
    """

    def __init__(self, data: PromptData, writer: PromptWriter, settings: SamplingSettings, seed: int) -> None:
        self.data, self.writer, self.settings = data, writer, settings
        self.user_numbers = np.random.default_rng(seed).permutation(len(data.lines)) + 1
        self._seen = [frozenset(line.tolist()) for line in data.lines]
        self._titled = [item for item in range(1, data.n_items) if writer.has_title(item)]
        # The ratings of each user who has some, as a stretch of the ratings in the order of users.
        self._by_user = np.argsort(data.ratings.users, kind="stable")
        self._raters, self._first_rating = np.unique(data.ratings.users[self._by_user], return_index=True)
        users = len(data.lines)
        self._families: list[tuple[int, int, Callable[[int, np.random.Generator], Drawn]]] = [
            (users, settings.sequential_prompts, self._sequential),
            (users, settings.candidate_prompts, self._candidates),
            (users, settings.next_prompts, self._next),
            (users, settings.direct_prompts, self._direct),
            (users, settings.direct_candidate_prompts, self._direct_candidates),
            (len(self._raters), settings.rating_prompts, self._rating),
            (len(self._titled), settings.title_prompts, self._title),
        ]
        self.available = sum(count * times for count, times, _ in self._families)

    def __len__(self) -> int:
        """The number of prompts of an epoch."""
        return min(self.available, self.settings.epoch_prompts)

    def epoch(self, draw: np.random.Generator) -> Iterator[Drawn]:
        """Draw the prompts of an epoch, in random order.

        Args:
            draw: Source of all draws.
        """
        ends = np.cumsum([count * times for count, times, _ in self._families])
        chosen = draw.permutation(self.available)[: len(self)]
        for place, family in zip(chosen.tolist(), np.searchsorted(ends, chosen, side="right").tolist(), strict=True):
            count, _, write = self._families[family]
            begin = int(ends[family - 1]) if family else 0
            yield write((place - begin) % count, draw)

    def _sequential(self, user: int, draw: np.random.Generator) -> Drawn:
        history, target = self._cut(user, draw)
        template, separator = _one_of(FAMILIES["sequential"], draw), _coin(draw)
        return Drawn(self.writer.about_history(template, history, separator), self.writer.item_answer(target))

    def _candidates(self, user: int, draw: np.random.Generator) -> Drawn:
        history, target = self._cut(user, draw)
        template, separator = _one_of(FAMILIES["candidates"], draw), _coin(draw)
        others = {"candidates": self.writer.candidates(self._among(user, target, draw), separator)}
        prompt = self.writer.about_history(template, history, separator, others)
        return Drawn(prompt, self.writer.item_answer(target))

    def _next(self, user: int, draw: np.random.Generator) -> Drawn:
        history, target = self._cut(user, draw)
        template, separator = _one_of(FAMILIES["next"], draw), _coin(draw)
        item, answer = self._one_or_another(user, target, draw)
        prompt = self.writer.about_history(template, history, separator, {"item": self.writer.answers[item]})
        return Drawn(prompt, self.writer.answer(answer))

    def _direct(self, user: int, draw: np.random.Generator) -> Drawn:
        item, answer = self._one_or_another(user, int(draw.choice(self.data.lines[user])), draw)
        prompt = self.writer.prompt(_one_of(FAMILIES["direct"], draw), **self._pair(user, item))
        return Drawn(prompt, self.writer.answer(answer))

    def _direct_candidates(self, user: int, draw: np.random.Generator) -> Drawn:
        target = int(draw.choice(self.data.lines[user]))
        candidates = self.writer.candidates(self._among(user, target, draw), _coin(draw))
        parts = {"user": self._pair(user, target)["user"], "candidates": candidates}
        prompt = self.writer.prompt(_one_of(FAMILIES["direct_candidates"], draw), **parts)
        return Drawn(prompt, self.writer.item_answer(target))

    def _rating(self, rater: int, draw: np.random.Generator) -> Drawn:
        bounds = np.append(self._first_rating, len(self._by_user))[rater : rater + 2]
        number = self._by_user[draw.integers(*bounds)]
        user, item, stars = (int(column[number]) for column in self.data.ratings)
        template, parts = _one_of(FAMILIES["rating"], draw), self._pair(user, item)
        if template.asked == "stars":
            mean, deviation = JITTER[stars]
            answer = f"{min(5.0, max(1.0, draw.normal(mean, deviation))):.1f}"
        elif template.asked == "likes":
            answer = LIKE if stars >= LIKED else DISLIKE
        else:
            is_so = bool(draw.integers(2))
            named = stars if is_so else int(draw.choice([other for other in JITTER if other != stars]))
            parts["stars"], answer = self.writer.tokenizer.word(str(named)), YES if is_so else NO
        return Drawn(self.writer.prompt(template, **parts), self.writer.answer(answer))

    def _title(self, number: int, draw: np.random.Generator) -> Drawn:
        item = self._titled[number]
        prompt = self.writer.prompt(_one_of(FAMILIES["title"], draw), title=self.writer.title(item))
        return Drawn(prompt, self.writer.item_answer(item))

    def _cut(self, user: int, draw: np.random.Generator) -> tuple[list[int], int]:
        """Draw a target of a user's line, and the history before it, which begins with one of the first events."""
        line = self.data.lines[user]
        first = max(2, len(line) - _RECENT) if self.settings.sequence_targets == "recent" else 1
        end = int(draw.integers(min(first, len(line) - 1), len(line)))
        start = int(draw.integers(0, max(1, min(_STARTS, end - 1))))
        return line[max(start, end - self.data.longest_history) : end].tolist(), int(line[end])

    def _other(self, user: int, draw: np.random.Generator) -> int:
        """Draw an item that the user has no training event with; any item where there is none."""
        seen = self._seen[user]
        if len(seen) >= self.data.n_items - 1:
            return int(draw.integers(1, self.data.n_items))
        while (item := int(draw.integers(1, self.data.n_items))) in seen:
            pass
        return item

    def _among(self, user: int, target: int, draw: np.random.Generator) -> list[int]:
        """Draw candidates, each once, the target at a random place."""
        wanted = min(self.settings.prompt_candidates, self.data.n_items - len(self._seen[user]))
        chosen = {target}
        while len(chosen) < wanted:
            chosen.add(self._other(user, draw))
        return draw.permutation(sorted(chosen)).tolist()

    def _one_or_another(self, user: int, target: int, draw: np.random.Generator) -> tuple[int, str]:
        """Return the target and yes, or another item and no, by a coin."""
        return (target, YES) if draw.integers(2) else (self._other(user, draw), NO)

    def _pair(self, user: int, item: int) -> dict[str, list[int]]:
        return self.writer.pair(int(self.user_numbers[user]), item)


def _one_of(family: Family, draw: np.random.Generator) -> Template:
    """Draw one of the prompts of a family that are trained on."""
    return family.trained[int(draw.integers(len(family.trained)))]


def _coin(draw: np.random.Generator) -> int:
    """Draw one of the two separators of lists."""
    return int(draw.integers(2))
