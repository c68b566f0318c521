"""The wording of prompts, by family (RecSys 2022, Section 3). The words are the project's own.

A part in braces is filled in: {user} a user's number, {history} items in their order, {candidates} some items of which
one is meant, {item} an item's number, {thing} an item's number with words of its title, {stars} a rating, {title} words
of a title. The last prompt of a family is not trained on: it asks in words that training did not see.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Asked = Literal["item", "is_it", "stars", "are_they", "likes"]
"""What the answer is: the item's number; whether the item is the one; a rating; whether it is the rating; whether the
user likes the item."""

LIKED = 4
"""From so many stars on a user likes an item."""


class Template(NamedTuple):
    """The wording of a prompt.

    Attributes:
        words: Words and parts to fill in, with blanks between them.
        asked: What the answer is.
    """

    words: str
    asked: Asked = "item"


class Family(NamedTuple):
    """Prompts that ask the same.

    Attributes:
        trained: Those that training draws from.
        unseen: The one that it does not.
    """

    trained: tuple[Template, ...]
    unseen: Template


def _family(*words: str, asked: Asked = "item") -> Family:
    """Return a family of prompts with one kind of answer; the last one is not trained on."""
    *trained, unseen = (Template(line, asked) for line in words)
    return Family(tuple(trained), unseen)


SEQUENTIAL = _family(
    "after {history} comes item",
    "the shopper picked {history} in this order . name the item that follows",
    "events so far : {history} . what is next ?",
    "continue : {history}",
    "someone who chose {history} is back and will now choose",
    "list of purchases {history} . the following purchase is",
    "which item is taken after {history} ?",
)
CANDIDATES = _family(
    "after {history} one of {candidates} is taken . which ?",
    "the shopper picked {history} . choose the next item from {candidates}",
    "history {history} . options {candidates} . best option ?",
    "events so far : {history} . exactly one of {candidates} follows , namely",
    "out of {candidates} find what comes after {history}",
)
NEXT = _family(
    "the shopper picked {history} . is {item} next ?",
    "events so far : {history} . does {item} follow ?",
    "will {item} be taken after {history} ?",
    asked="is_it",
)
DIRECT = _family(
    "would {user} take {thing} ?",
    "is {thing} something for {user} ?",
    "shall we show {thing} to {user} ?",
    "{user} and {thing} : do they go together ?",
    "decide whether {user} wants {thing}",
    asked="is_it",
)
DIRECT_CANDIDATES = _family(
    "choose for {user} among {candidates}",
    "options {candidates} . which one suits {user} ?",
    "{user} takes one of {candidates} , namely",
    "what should {user} get out of {candidates} ?",
)
RATING = Family(
    (
        Template("stars from {user} for {thing} ?", "stars"),
        Template("how many stars of five does {user} give to {thing} ?", "stars"),
        Template("{user} rates {thing} with", "stars"),
        Template("guess the rating : {user} , {thing}", "stars"),
        Template("did {user} give {stars} stars to {thing} ?", "are_they"),
        Template("rating of {thing} by {user} : is it {stars} ?", "are_they"),
        Template("does {user} like {thing} ?", "likes"),
        Template("{user} has tried {thing} . liked or disliked ?", "likes"),
        Template("will {thing} please {user} ?", "likes"),
    ),
    Template("from one to five , the stars that {user} gives to {thing} are", "stars"),
)
TITLE = _family(
    "which item is called {title} ?",
    "number of the item {title}",
    "{title} is item",
    "find the item with the name {title}",
)

FAMILIES = {
    "sequential": SEQUENTIAL,
    "candidates": CANDIDATES,
    "next": NEXT,
    "direct": DIRECT,
    "direct_candidates": DIRECT_CANDIDATES,
    "rating": RATING,
    "title": TITLE,
}
"""All families by name."""

YES, NO, LIKE, DISLIKE = "yes", "no", "like", "dislike"


def all_words() -> list[str]:
    """Return the words of all prompts and answers, without what is filled in."""
    lines = [template.words for family in FAMILIES.values() for template in (*family.trained, family.unseen)]
    words = [word for line in lines for word in line.split() if not word.startswith("{")]
    return [*words, YES, NO, LIKE, DISLIKE, ",", "->", ".", "user_", "item_"]
