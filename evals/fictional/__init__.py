"""A fictional annual report of 150 pages and more, with questions whose answers are known."""

from evals.fictional.report import KnownQuestion, write_report

__all__ = ["KnownQuestion", "write_report"]
