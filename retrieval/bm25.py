"""Ranking by words, and fusing two rankings.

The index of words is built for each search: 120,000 tokens take a fraction of a second, and
there is nothing to keep in step with the documents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def word_scores(question: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """BM25 of every text for the question; zero where they share no word."""
    import bm25s

    corpus = bm25s.tokenize(list(texts), stopwords="en", show_progress=False)
    words = bm25s.tokenize([question], stopwords="en", return_ids=False, show_progress=False)[0]
    known = [word for word in words if word in corpus.vocab]
    if not known:
        return np.zeros(len(texts), np.float32)
    model = bm25s.BM25()
    model.index(corpus, show_progress=False)
    return np.asarray(model.get_scores(known), np.float32)


def fuse(rankings: Sequence[Sequence[int]], size: int, constant: int) -> NDArray[np.float64]:
    """Reciprocal rank fusion: each of ``size`` items gets 1 / (constant + rank) from every
    ranking it is in, ranks from 1."""
    scores = np.zeros(size, np.float64)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1 / (constant + rank)
    return scores
