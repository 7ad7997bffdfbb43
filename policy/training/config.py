"""Reading a stage's TOML file into its dataclass."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from documents.errors import SettingsError

T = TypeVar("T")
_TOLD = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_config(kind: type[T], path: Path, smoke: bool = False) -> T:
    """The file's values as a ``kind``, with those of its ``[smoke]`` table on top where asked.

    Lists become tuples. Paths in the file are relative to the folder the command runs in."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror or error}",
            f"Begin with {Path(__file__).parent.name}/*.toml in the policy package.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}", "Mend the line it names.") from error
    small = values.pop("smoke", {})
    if smoke:
        values |= small
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        raise SettingsError(
            f"{path} sets {', '.join(unknown)}, which this stage does not know.",
            f"It knows {', '.join(known)}.",
        )
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := sorted(set(needed) - set(values)):
        raise SettingsError(f"{path} does not set {', '.join(missing)}.", "Add the values.")
    told = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    hints = get_type_hints(kind)
    for name, value in told.items():
        if not _suits(value, hints[name]):
            raise SettingsError(
                f"{path}: {name} is {value!r}.", f"It takes {_TOLD.get(hints[name], 'a list')}."
            )
    return kind(**told)


def _suits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type, as far as the stages' simple types go."""
    if hint not in _TOLD:
        return isinstance(value, get_origin(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint
