"""How benchmarks report input that they cannot use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ti_core.errors import InputError


@contextmanager
def exit_on_input_error() -> Iterator[None]:
    """On an :class:`~ti_core.errors.InputError`, print its sentence and exit with 1, without a traceback."""
    try:
        yield
    except InputError as error:
        raise SystemExit(str(error)) from None
