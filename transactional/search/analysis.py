"""How text becomes words: the analyzers of the index, and the synonyms that a query's words stand for.

A tokenizer is not stored in an index, so whoever opens one registers ours (``register``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tantivy import Filter, Index, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

STEMS, WORDS = "lakefront_stems", "lakefront_words"
LONGEST_WORD = 60
MOST_WORDS = 16
"""Words of a query that are looked at; what comes behind them is left out."""
SYNONYMS_FILE = Path(__file__).with_name("synonyms.txt")
Phrase = tuple[str, ...]


def _builder() -> TextAnalyzerBuilder:
    plain = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(LONGEST_WORD))
    return plain.filter(Filter.lowercase()).filter(Filter.ascii_fold())


def stems_analyzer() -> TextAnalyzer:
    """Lower case, without accents, reduced to stems: "Kettles" is found by "kettle"."""
    return _builder().filter(Filter.stemmer("english")).build()


def words_analyzer() -> TextAnalyzer:
    """Lower case, without accents: words as people write them, for suggestions and corrections."""
    return _builder().build()


def register(index: Index) -> Index:
    """Make an opened index know our analyzers."""
    index.register_tokenizer(STEMS, stems_analyzer())
    index.register_tokenizer(WORDS, words_analyzer())
    return index


class Synonyms:
    """What else a word or a phrase may be called."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        self._analyzer = words_analyzer()
        self._others: dict[Phrase, list[Phrase]] = {}
        for line in lines:
            text = line.partition("#")[0].strip()
            left, arrow, right = text.partition("=>")
            names, targets = self._phrases(left), self._phrases(right if arrow else left)
            for name in names:
                known = self._others.setdefault(name, [])
                known += [target for target in targets if target != name and target not in known]
        self._longest = max((len(name) for name in self._others), default=1)

    @classmethod
    def load(cls, path: Path | None = None) -> Synonyms:
        """The groups of a file. Raises OSError where it cannot be read."""
        return cls((path or SYNONYMS_FILE).read_text(encoding="utf-8").splitlines())

    def units(self, words: Sequence[str]) -> Iterator[list[Phrase]]:
        """The query cut into units, each with all its names, the shopper's own first; the longest known phrase wins."""
        place = 0
        while place < len(words):
            for length in range(min(self._longest, len(words) - place), 0, -1):
                phrase = tuple(words[place : place + length])
                if length == 1 or phrase in self._others:
                    yield [phrase, *self._others.get(phrase, ())]
                    place += length
                    break

    def has(self, word: str) -> bool:
        """Whether a word is also called something else."""
        return (word,) in self._others

    def _phrases(self, text: str) -> list[Phrase]:
        found = [tuple(self._analyzer.analyze(part)) for part in text.split(",")]
        return list(dict.fromkeys(phrase for phrase in found if phrase))
