"""Files become documents: reading, the layout map, the library, page images."""

from documents.document import Block, BlockKind, Box, Document, Evidence, Page, Span, Words
from documents.errors import (
    Cancelled,
    DamagedError,
    DocumentError,
    EncryptedError,
    LongdocError,
    NotADocumentError,
    NoTextError,
    StorageError,
    TooCostlyError,
    UnknownDocumentError,
)
from documents.images import page_image
from documents.index import DocumentInfo
from documents.profile import Profile, profile_of, without_name
from documents.progress import (
    IsCancelled,
    Progress,
    check,
    never_cancelled,
    no_progress,
)
from documents.storage import default_home
from documents.store import DocumentStore
from documents.worker import Limits

__all__ = [
    "Block",
    "BlockKind",
    "Box",
    "Cancelled",
    "DamagedError",
    "Document",
    "DocumentError",
    "DocumentInfo",
    "DocumentStore",
    "EncryptedError",
    "Evidence",
    "IsCancelled",
    "Limits",
    "LongdocError",
    "NoTextError",
    "NotADocumentError",
    "Page",
    "Profile",
    "Progress",
    "Span",
    "StorageError",
    "TooCostlyError",
    "UnknownDocumentError",
    "Words",
    "check",
    "default_home",
    "never_cancelled",
    "no_progress",
    "page_image",
    "profile_of",
    "without_name",
]
