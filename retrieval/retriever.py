"""The baseline: index documents once, rank their chunks for a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from documents.document import Document, Evidence
from documents.progress import IsCancelled, Progress, check, never_cancelled, no_progress
from retrieval.bm25 import fuse, word_scores
from retrieval.chunks import chunk, chunk_text
from retrieval.config import RetrievalConfig
from retrieval.embedder import BertEmbedder, Embedder
from retrieval.index import Index, Indexed


class Retriever:
    """Ranks the chunks of documents for a question.

    The embedder is loaded on first use; ``embedder`` gives another one (in tests, say).
    """

    def __init__(
        self, config: RetrievalConfig, home: Path, embedder: Embedder | None = None
    ) -> None:
        self._config = config
        self._index = Index(home, config.collection(), config.chroma_url)
        self._embedder = embedder

    def index(
        self,
        document: Document,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> None:
        """Chunk and embed the document, unless that was done before with these settings."""
        check(cancelled)
        if self._index.holds(document):
            return
        model = self._model()
        spans = chunk(document, self._config.chunk_tokens, model.token_starts)
        texts = [chunk_text(document, span) for span in spans]
        vectors = model.embed(texts, progress, cancelled)
        self._index.write(document, spans, vectors)

    def search(
        self,
        question: str,
        documents: Sequence[Document],
        *,
        limit: int | None = None,
        progress: Progress = no_progress,
        cancelled: IsCancelled = never_cancelled,
    ) -> list[Evidence]:
        """The documents' chunks, best first: all of them, or the best ``limit``. Documents not
        yet indexed are indexed. Scores are cosines, BM25, or fused ranks."""
        unique = {document.id: document for document in documents}
        for document in unique.values():
            self.index(document, progress, cancelled)
        check(cancelled)
        found = self._index.read(list(unique))
        if not found.spans:
            return []
        scores = self._scores(question, found, unique)
        order = np.argsort(-scores, kind="stable")[:limit]
        return [Evidence(found.spans[row], float(scores[row])) for row in order]

    def delete(self, document_id: str) -> None:
        """Remove the document's vectors, whichever settings made them."""
        self._index.delete(document_id)

    def _scores(
        self, question: str, found: Indexed, documents: dict[str, Document]
    ) -> NDArray[np.float32] | NDArray[np.float64]:
        """One score a chunk, by the ranking that is set. In the fused one, words count only
        where they match at all."""
        words: NDArray[np.float32] | None = None
        if self._config.ranking != "dense":
            texts = [chunk_text(documents[span.document], span) for span in found.spans]
            words = word_scores(question, texts)
            if self._config.ranking == "bm25":
                return words
        cosines = np.asarray(found.vectors @ self._model().embed([question])[0], np.float32)
        if words is None:
            return cosines
        by_meaning = np.argsort(-cosines, kind="stable").tolist()
        by_words = [row for row in np.argsort(-words, kind="stable").tolist() if words[row] > 0]
        return fuse([by_meaning, by_words], len(found.spans), self._config.rrf_constant)

    def _model(self) -> Embedder:
        if self._embedder is None:
            from weights import ensure

            folder = ensure(self._config.embedder)
            self._embedder = BertEmbedder(folder, self._config.batch_pieces)
        return self._embedder
