"""The RAG baseline: chunks, embeddings, BM25, Chroma."""

from retrieval.chunks import chunk, chunk_text
from retrieval.config import RetrievalConfig
from retrieval.embedder import BertEmbedder, Embedder
from retrieval.retriever import Retriever

__all__ = ["BertEmbedder", "Embedder", "RetrievalConfig", "Retriever", "chunk", "chunk_text"]
