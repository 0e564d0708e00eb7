"""Search's endpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from transactional.platform.cache import rendered_response
from transactional.platform.core import CoreDep
from transactional.platform.errors import responses
from transactional.search import service
from transactional.search.finding import MOST_SUGGESTIONS
from transactional.search.schemas import QueryText, SearchRequest, SearchResults, Suggestions

router = APIRouter(tags=["search"])


@router.get("/search", summary="Search products", response_model=SearchResults, responses=responses(404, 422))
async def search(request: Request, core: CoreDep, asked: Annotated[SearchRequest, Query()]) -> Response:
    """Products that have all words, the most relevant first; what sells and can be bought ranks higher.

    Where too few have them, misspelt words are corrected; where none has, some of the words are looked for, and then
    popular products of the same filters are shown: `match` says which. Results end with the 1,000th.
    """
    return rendered_response(request, await service.find_products(core, asked))


@router.get(
    "/search/suggestions",
    summary="Complete what is being typed",
    response_model=Suggestions,
    responses=responses(422),
)
async def suggestions(
    request: Request,
    core: CoreDep,
    prefix: Annotated[QueryText, Query(description="What was typed so far.")],
    limit: Annotated[int, Query(ge=1, le=MOST_SUGGESTIONS)] = MOST_SUGGESTIONS,
) -> Response:
    """The last word completed, together with the words before it, by the number of products that have all of it."""
    return rendered_response(request, await service.suggest(core, prefix, limit))


@router.post(
    "/products/search",
    summary="Search products, with a body",
    response_model=SearchResults,
    responses=responses(400, 404, 422),
)
async def search_by_body(request: Request, core: CoreDep, asked: SearchRequest) -> Response:
    """The same as `GET /search`, for clients whose queries do not fit an address."""
    return rendered_response(request, await service.find_products(core, asked), "private, no-store")
