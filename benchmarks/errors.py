"""How a benchmark ends where what it was given cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ti_core.errors import InputError


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Exit with 1 and the sentence of an :class:`~ti_core.errors.InputError`, which says what to do next."""
    try:
        yield
    except InputError as error:
        raise SystemExit(str(error)) from None
