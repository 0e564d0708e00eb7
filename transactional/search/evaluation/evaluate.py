"""Our ranking beside a plain BM25 on the name, both judged by the same clicks.

Popularity is a part of our ranking. Where a log is all there is, it comes from the earlier half of the views, and the judgments
from the later half alone: nothing is measured on what it was made from. Our ranking without popularity is shown, too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tantivy import Document, Index, SchemaBuilder

from transactional.search.analysis import Synonyms, words_analyzer
from transactional.search.evaluation.click_model import Shown, judgments
from transactional.search.evaluation.metrics import DEPTH, ndcg, reciprocal_rank
from transactional.search.finding import Snapshot
from transactional.search.index import Generation, ProductDocument, Progress, stored_weight, weight
from transactional.search.queries import Filters

MRR_DEPTH = 100
RELEVANT_SHARE = 0.5
"""A product counts as relevant for the reciprocal rank from this share of its query's best judgment on."""
Ranking = Callable[[str], list[str]]


@dataclass(frozen=True)
class Score:
    """What a ranking reached, for a query or in the mean."""

    ndcg_at_10: float
    mrr: float


@dataclass(frozen=True)
class Evaluation:
    """All rankings, per query and in the mean."""

    products: int
    views_for_popularity: int
    views_for_judgments: int
    judged: dict[str, int]
    per_query: dict[str, dict[str, Score]]
    """By ranking, then by query."""

    @property
    def mean(self) -> dict[str, Score]:
        return {name: _mean(list(scores.values())) for name, scores in self.per_query.items()}

    def as_json(self) -> dict[str, object]:
        per_query = {
            name: {query: asdict(score) for query, score in scores.items()} for name, scores in self.per_query.items()
        }
        return {
            "products": self.products,
            "views_for_popularity": self.views_for_popularity,
            "views_for_judgments": self.views_for_judgments,
            "judged_products": self.judged,
            "click_model": "SDBN (Chapelle and Zhang 2009)",
            "mean": {name: asdict(score) for name, score in self.mean.items()},
            "per_query": per_query,
        }


def evaluate(products: Sequence[ProductDocument], log: Sequence[Shown], synonyms: Synonyms) -> Evaluation:
    """Judge the rankings. Judged products that the catalogue does not have are left out: nobody could find them."""
    earlier, later = _halves(log)
    known = {product.id for product in products}
    grades = {
        query: {product_id: grade for product_id, grade in graded.items() if product_id in known}
        for query, graded in sorted(judgments(later).items())
    }
    grades = {query: graded for query, graded in grades.items() if graded}
    popularity = Counter(shown.product_id for shown in earlier if shown.was_clicked)
    with TemporaryDirectory(prefix="lakefront-evaluate-") as folder:
        rankings: dict[str, Ranking] = {
            "bm25_on_name": _bm25_on_name(products, {}, Path(folder) / "bm25"),
            "bm25_on_name_with_popularity": _bm25_on_name(products, popularity, Path(folder) / "bm25-popular"),
            "search_without_popularity": _ours(products, {}, synonyms, Path(folder) / "plain"),
            "search": _ours(products, popularity, synonyms, Path(folder) / "popular"),
        }
        per_query = {
            name: {query: _score(ranking(query), graded) for query, graded in grades.items()}
            for name, ranking in rankings.items()
        }
    return Evaluation(
        len(products), _views(earlier), _views(later), {query: len(each) for query, each in grades.items()}, per_query
    )


def _halves(log: Sequence[Shown]) -> tuple[list[Shown], list[Shown]]:
    """Each query's views, the earlier half and the later half; a view's number tells when it was."""
    views: dict[str, list[int]] = {}
    for shown in log:
        seen = views.setdefault(shown.query, [])
        if not seen or seen[-1] != shown.view:
            seen.append(shown.view)
    middle = {query: sorted(seen)[len(seen) // 2] for query, seen in views.items()}
    earlier = [shown for shown in log if shown.view < middle[shown.query]]
    return earlier, [shown for shown in log if shown.view >= middle[shown.query]]


def _views(log: Sequence[Shown]) -> int:
    return len({(shown.view, shown.query) for shown in log})


def _score(ranking: Sequence[str], grades: Mapping[str, float]) -> Score:
    limit = RELEVANT_SHARE * max(grades.values())
    relevant = {product_id for product_id, grade in grades.items() if grade >= limit}
    return Score(ndcg(ranking, grades, DEPTH), reciprocal_rank(ranking[:MRR_DEPTH], relevant))


def _mean(scores: Sequence[Score]) -> Score:
    number = len(scores)
    return Score(sum(score.ndcg_at_10 for score in scores) / number, sum(score.mrr for score in scores) / number)


def _ours(
    products: Sequence[ProductDocument], popularity: Mapping[str, int], synonyms: Synonyms, folder: Path
) -> Ranking:
    """What the shop would answer."""
    generation = Generation.create(folder)
    generation.add(replace(product, units_sold=popularity.get(product.id, 0)).document() for product in products)
    generation.commit(Progress())
    generation.close()
    snapshot = Snapshot(folder.name, generation.index, generation.index.searcher(), synonyms)

    def rank(query: str) -> list[str]:
        found = snapshot.find(query, Filters(), 0, MRR_DEPTH, with_facets=False)
        return [str(json.loads(hit.card)["product_id"]) for hit in found.hits]

    return rank


def _bm25_on_name(products: Sequence[ProductDocument], popularity: Mapping[str, int], folder: Path) -> Ranking:
    """The engine's own BM25 with its default analyzer on the name alone, any of the words; weighted by popularity as ours is
    where there is some, which tells how much of our lead it alone brings."""
    builder = SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("name")
    builder.add_float_field("weight", fast=True)
    folder.mkdir()
    index = Index(builder.build(), path=str(folder))
    writer = index.writer(64_000_000, 1)
    for product in products:
        document = Document()
        document.add_text("id", product.id)
        document.add_text("name", product.title)
        document.add_float("weight", stored_weight(weight(popularity.get(product.id, 0), is_available=True)))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher, words = index.searcher(), words_analyzer()

    def rank(query: str) -> list[str]:
        parsed = index.parse_query(" ".join(words.analyze(query)), ["name"])
        hits = searcher.search(parsed, MRR_DEPTH, weight_by_field="weight").hits
        return [str(searcher.doc(address).get_first("id")) for _, address in hits]

    return rank
