"""The application: its addresses, what they take and answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from recbole_idp.storage.environment import versions
from recbole_idp.web import limits, schema
from recbole_idp.web.batches import Batches, BusyError
from recbole_idp.web.catalogue import Catalogue
from recbole_idp.web.guard import BodyLimit, KnownHosts, RateLimit, SafeHeaders, problem

STATIC = Path(__file__).parent / "static"
"""The page and what it needs."""

VERSION = versions().get("recbole_idp", "unknown")
T = TypeVar("T")
_PREPARED_AFTER = 0.3
_REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": schema.Problem, "description": "What was asked is not understood."},
    429: {"model": schema.Problem, "description": "The client asks too often."},
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schema.Problem, "description": "There is no such item."}}
ItemName = Annotated[str, Query(max_length=limits.MOST_ID_LETTERS, description="Id of an item.")]


def make_app(catalogue: Catalogue, rate: float = 0.0, hosts: Collection[str] = ()) -> FastAPI:
    """Make the application that serves a trained model.

    Args:
        catalogue: The model and its items.
        rate: Requests a second of one client; 0: no limit.
        hosts: Names by which the server may be asked; empty: any.

    Returns:
        An ASGI application.
    """
    # None waits for another: an index of a million titles takes a quarter of a minute to be made.
    model, search, others = threads = [ThreadPoolExecutor(1, name) for name in ("model", "search", "others")]
    batches = Batches(catalogue.recommender.rank, model)

    async def inside(thread: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        """Do something in a thread."""
        return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)

    async def prepare() -> None:
        """Let the first question, which may wait already, be answered first."""
        await asyncio.sleep(_PREPARED_AFTER)
        await asyncio.gather(inside(search, catalogue.prepare_search), inside(others, catalogue.prepare_origins))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        preparing = asyncio.create_task(prepare())
        preparing.add_done_callback(_report)
        yield
        preparing.cancel()
        for thread in threads:
            thread.shutdown(wait=False, cancel_futures=True)

    # Its own pages on the interface fetch scripts from elsewhere.
    app = FastAPI(
        title="recbole_idp", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None, responses=_REFUSALS
    )
    about = _health(catalogue)

    @app.post("/recommend", response_model=schema.Answers)
    async def recommend(question: schema.Question) -> Response:
        """Recommend items after one history or several."""
        recommender, histories = catalogue.recommender, question.all()
        numbers = [recommender.numbers(history) for history in histories]
        asked = [batches.ask(known, question.k, question.exclude_seen) for known in numbers]
        ranked = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
        if question.explain:
            items = await inside(others, lambda: [catalogue.explained(row) for row in ranked])
        else:
            items = [catalogue.recommended(row) for row in ranked]
        unknown = map(recommender.unknown, histories)
        answers = [schema.Answer(items=row, unknown=rest) for row, rest in zip(items, unknown, strict=True)]
        # Written here, in a third of the time: FastAPI would check the answer first.
        return Response(schema.Answers(answers=answers).model_dump_json(), media_type="application/json")

    @app.get("/items")
    async def items(
        query: Annotated[str, Query(max_length=limits.MOST_QUERY_LETTERS, description="Beginning or words.")] = "",
        item: Annotated[list[ItemName], Query(max_length=limits.MOST_FOUND, description="Ids instead.")] = [],  # noqa: B006
        limit: Annotated[int, Query(ge=1, le=limits.MOST_FOUND)] = 20,
        offset: Annotated[int, Query(ge=0, description="Items to skip where no query is given.")] = 0,
    ) -> schema.Items:
        """Search items by title; by ids; or list all of them."""
        if query.strip():
            found = await inside(search, catalogue.find, query, limit)
            return schema.Items(items=found, total=len(found))
        if item:
            found = catalogue.items(catalogue.recommender.numbers(item))
            return schema.Items(items=found, total=len(found))
        first = min(offset, catalogue.size)
        numbers = range(1 + first, 1 + min(first + limit, catalogue.size))
        return schema.Items(items=catalogue.items(numbers), total=catalogue.size)

    @app.get("/similar", responses=_UNKNOWN)
    async def similar(item: ItemName, k: Annotated[int, Query(ge=1, le=limits.MOST_ITEMS)] = 10) -> schema.SimilarOnes:
        """Return the items that are like an item."""
        number, vectors = known(item), catalogue.similar
        if vectors is None or number > len(catalogue.recommender.trained.tokens):
            raise HTTPException(404, "the model has no vector of this item to compare by")
        ranked = await inside(model, vectors.of, number, k)
        return schema.SimilarOnes(items=catalogue.alike(ranked))

    @app.get("/poster", responses=_UNKNOWN, response_class=Response)
    async def poster(item: ItemName) -> Response:
        """Return the picture of an item."""
        number = known(item)
        found = None if catalogue.posters is None else await inside(others, catalogue.posters.read, number)
        if found is None:
            raise HTTPException(404, "there is no picture of this item")
        return Response(found.content, media_type=found.media_type, headers={"Cache-Control": "private, max-age=3600"})

    @app.get("/health")
    async def health() -> schema.Health:
        """Say what is served."""
        return about

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "page.html", headers={"Cache-Control": "no-cache"})

    def known(name: str) -> int:
        """Return the number of an item; refuse an unknown one."""
        number = catalogue.number(name)
        if number is None:
            raise HTTPException(404, "the model does not know this item: search its id by /items?query=")
        return number

    app.mount("/static", StaticFiles(directory=STATIC))
    _refuse_in_one_line(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(RateLimit, rate=rate)
    app.add_middleware(KnownHosts, hosts=hosts)
    app.add_middleware(SafeHeaders)
    return app


def _report(preparing: asyncio.Task[None]) -> None:
    """Say why what searches need could not be made."""
    if not preparing.cancelled() and (error := preparing.exception()) is not None:
        logging.getLogger().warning(f"searches and explanations will not be answered: {error}")


def _health(catalogue: Catalogue) -> schema.Health:
    """Return what is served."""
    recommender = catalogue.recommender
    trained = recommender.trained
    about = trained.description
    return schema.Health(
        status="ok",
        version=VERSION,
        model=about["model"],
        variant=about["variant"],
        dataset=about["dataset"],
        items=len(trained.tokens),
        history_length=recommender.history_length,
        sources=list(trained.pretrained_on),
        reads_own=trained.read_numbers.start == 1,
        other_domains=list(trained.domains),
        generated=recommender.explains,
        posters=0 if catalogue.posters is None else len(catalogue.posters),
        similar=recommender.candidate_vectors() is not None,
        limits={
            "history": limits.MOST_HISTORY_ITEMS,
            "histories": limits.MOST_HISTORIES,
            "k": limits.MOST_ITEMS,
            "query": limits.MOST_QUERY_LETTERS,
            "body_bytes": limits.MOST_BODY_BYTES,
        },
    )


def _refuse_in_one_line(app: FastAPI) -> None:
    """Let every refusal be one line in JSON."""

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        if request.method == "POST" and "json" not in request.headers.get("content-type", ""):
            return problem(415, "send the question as JSON, with the header Content-Type: application/json")
        first = error.errors()[0]
        # The value itself is left out: it may be long, or no value of JSON.
        place = ".".join(map(str, first["loc"][1:])) or "the body"
        if first["type"] == "json_invalid":
            place = "the body"
        return problem(422, f"{place}: {first['msg']}"[:500])

    @app.exception_handler(AnyHTTPException)
    async def _(_: Request, error: AnyHTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(BusyError)
    async def _(_: Request, error: BusyError) -> Response:
        return problem(503, "too many histories wait for the model: ask again in a second", {"Retry-After": "1"})

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> Response:
        return problem(500, "the server failed to answer: its log says why")
