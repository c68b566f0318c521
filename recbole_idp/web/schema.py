"""What requests and answers look like, from which OpenAPI is made."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import Self

from recbole_idp.web.limits import MOST_ANSWERS, MOST_HISTORIES, MOST_HISTORY_ITEMS, MOST_ID_LETTERS, MOST_ITEMS

ItemId = Annotated[str, StringConstraints(max_length=MOST_ID_LETTERS)]
History = Annotated[list[ItemId], Field(max_length=MOST_HISTORY_ITEMS)]


class Question(BaseModel):
    """One history, or several."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"history": ["B01", "B02"], "k": 5}]}
    )

    history: History | None = Field(
        None, description="Item ids, the latest last; items of other domains as domain:item."
    )
    histories: list[History] | None = Field(None, max_length=MOST_HISTORIES, description="Several histories instead.")
    k: int = Field(10, ge=1, le=MOST_ITEMS, description="Items after each history.")
    exclude_seen: bool = Field(True, description="Whether items of the history are left out.")
    explain: bool = Field(False, description="Whether to say what each item was generated from.")

    @model_validator(mode="after")
    def check_together(self) -> Self:
        """Check that there is one kind of history, and that not too many items are asked for."""
        if (self.history is None) == (self.histories is None):
            raise ValueError("give either history, a list of item ids, or histories, a list of such lists")
        if len(self.all()) * self.k > MOST_ANSWERS:
            raise ValueError(f"histories times k must be at most {MOST_ANSWERS:,}")
        return self

    def all(self) -> list[list[str]]:
        """Return the histories, however they were given."""
        return [self.history] if self.history is not None else self.histories or []


class Item(BaseModel):
    """An item.

    Attributes:
        item: Its id, as histories hold it.
        title: Its title, empty where there is none.
        poster: Whether ``/poster`` may have a picture of it.
        read: Whether the model reads it in a history.
    """

    item: str
    title: str
    poster: bool
    read: bool


class Items(BaseModel):
    """Items, and how many there are in all where all were asked for."""

    items: list[Item]
    total: int


class Match(BaseModel):
    """A source item that an item was generated from; weights of an item sum to one."""

    domain: str
    item: str
    title: str
    weight: float
    similarity: float


class GeneratedFrom(BaseModel):
    """What an item's embedding was generated from, before training on the target.

    Attributes:
        matches: Matched source items, the heaviest first.
        share: Share of these in the embedding.
        share_of_map: Share of the map from texts to IDs that was learned on all source items.
        share_of_own_texts: Share of the target's own texts.
    """

    matches: list[Match]
    share: float
    share_of_map: float
    share_of_own_texts: float


class Recommended(BaseModel):
    """A recommended item; scores are comparable within an answer only."""

    item: str
    title: str
    poster: bool
    score: float
    generated_from: GeneratedFrom | None = None


class Answer(BaseModel):
    """What is recommended after a history.

    Attributes:
        items: The items, the best first; none where the model reads no item of the history.
        unknown: Items of the history that the model does not know, which were skipped.
    """

    items: list[Recommended]
    unknown: list[str]


class Answers(BaseModel):
    """An answer for each history, in their order."""

    answers: list[Answer]


class SimilarItem(BaseModel):
    """An item that is like another; ``score`` is the cosine of the model's vectors."""

    item: str
    title: str
    poster: bool
    score: float


class SimilarOnes(BaseModel):
    """Items that are like an item, the nearest first."""

    items: list[SimilarItem]


class Health(BaseModel):
    """What is served.

    Attributes:
        status: ``ok``.
        version: Version of recbole_idp.
        model: Name of the model.
        variant: What it started from, and whether it was trained.
        dataset: Name of the target.
        items: Number of its items.
        history_length: Items of a history that are read, the latest ones.
        sources: Domains that it was pre-trained on.
        reads_own: Whether the model reads items of the target in a history, or those of other domains alone.
        other_domains: Domains besides the target whose items histories may hold.
        generated: Whether answers can say what items were generated from.
        posters: Number of items that a picture is named for.
        similar: Whether ``/similar`` answers.
        limits: The most that a request may ask for.
    """

    status: str
    version: str
    model: str
    variant: str
    dataset: str
    items: int
    history_length: int | None
    sources: list[str]
    reads_own: bool
    other_domains: list[str]
    generated: bool
    posters: int
    similar: bool
    limits: dict[str, Any]


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    error: str
