"""Every error longdoc raises on purpose, as one tree.

    LongdocError
    ├── DocumentError               a file cannot be read (names file, and page where there is one)
    │   ├── NotADocumentError       not a file type longdoc reads, a directory, or empty
    │   ├── EncryptedError          needs a password, or the password is wrong
    │   ├── DamagedError            truncated, or too broken to read
    │   ├── TooCostlyError          reading passed its time or memory limit
    │   └── NoTextError             no page has a text layer
    ├── StorageError                the data folder cannot be read or written
    │   ├── UnknownDocumentError    no such document or collection in the library
    │   └── UnknownRunError         no such run in the run log
    ├── ModelError                  a model's files cannot be had
    │   ├── UnknownModelError       no such row in the registry
    │   ├── ModelUnavailableError   not in the cache and no source can be reached
    │   └── WrongHashError          a file's sha256 differs from the registry's
    ├── ReasonerError               the reasoning model failed
    │   ├── EngineError             the embedded engine did not start or died
    │   ├── (policy.faults)         NoConnectionError, NotAllowedError, NoSuchModelError,
    │   │                           BrokenAnswerError, ThoughtCutError
    │   └── ContextOverflowError    what must be sent is longer than the model's context
    ├── DataError                   a benchmark's data is absent or not in its format
    ├── QuestionError               the question is empty or too long
    ├── ExpressionError             an expression over figures cannot be computed
    ├── TooLongError                a step of a run passed its time limit
    ├── PlanError                   the reasoner's plan cannot be used
    ├── RunError                    a run's state does not allow what is asked of it
    ├── SettingsError               a setting has a value that cannot work
    └── Cancelled                   a person stopped the work

Each carries a one-line message that names the thing and a ``hint`` that names the remedy::

    try:
        document = store.ingest(path)
    except LongdocError as error:
        print(error, error.hint)
"""

from __future__ import annotations


class LongdocError(Exception):
    """Root of the tree. ``str(error)`` is one line; ``hint`` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[LongdocError], tuple[str, str]]:
        """Survive pickling: errors cross from the reading worker process."""
        return type(self), (self.message, self.hint)


class DocumentError(LongdocError):
    """A file cannot be read."""

    exit_code = 3


class NotADocumentError(DocumentError):
    """Not a file type longdoc reads, a directory, or empty."""


class EncryptedError(DocumentError):
    """The file needs a password, or the password given is wrong."""


class DamagedError(DocumentError):
    """The file is truncated or too broken to read."""


class TooCostlyError(DocumentError):
    """Reading the file passed its limit of time or memory."""


class NoTextError(DocumentError):
    """No page of the file has a text layer."""


class StorageError(LongdocError):
    """The data folder cannot be read or written."""

    exit_code = 4


class UnknownDocumentError(StorageError):
    """No such document or collection in the library."""


class UnknownRunError(StorageError):
    """No such run in the run log."""


class ModelError(LongdocError):
    """A model's files cannot be had."""

    exit_code = 5


class UnknownModelError(ModelError):
    """No such row in the registry."""


class ModelUnavailableError(ModelError):
    """Not in the cache, and no source can be reached."""


class WrongHashError(ModelError):
    """A file's sha256 differs from the registry's; the file has been removed."""


class ReasonerError(LongdocError):
    """The reasoning model failed."""

    exit_code = 6


class EngineError(ReasonerError):
    """The embedded engine did not start, or died."""


class ContextOverflowError(ReasonerError):
    """What must be sent is longer than the model's context."""


class DataError(LongdocError):
    """A benchmark's data is absent, or not in its published format."""

    exit_code = 3


class QuestionError(LongdocError):
    """The question is empty or too long."""

    exit_code = 2


class ExpressionError(LongdocError):
    """An expression over figures cannot be computed; the message says why."""


class TooLongError(LongdocError):
    """A step of a run passed its time limit."""


class PlanError(LongdocError):
    """The reasoner's plan cannot be used; the message says why."""


class RunError(LongdocError):
    """A run's state does not allow what is asked of it: it is finished, or not yet."""

    exit_code = 2


class SettingsError(LongdocError):
    """A setting has a value that cannot work."""

    exit_code = 2


class Cancelled(LongdocError):  # noqa: N818 - a stop asked for is not a failure
    """A person stopped the work."""

    exit_code = 130


def unexpected(error: Exception) -> str:
    """What a front end says of an error that nobody foresaw."""
    return f"longdoc met an error it did not expect: {type(error).__name__}: {error}"
