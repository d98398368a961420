"""Bind the page's events to their handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ui.frame import Frame
from ui.server.errors import errors_shown
from ui.server.studio import Studio

Updates = dict[Block, Any]
"""What a handler changes: components, each with its new value or an update. All others stay as they are."""

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How an event is set up that the page shows in its own way, if at all. It is queued: only then is an error
shown, and the change of a state noticed."""
QUIET: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", **HIDDEN}
"""How an event is set up that waits for nothing, and that shows the last of many changes too: by Gradio's own
default, one of several triggers does nothing while the event is under way."""


def bind(studio: Studio, handler: Callable[..., Any], *parts: Any) -> Callable[..., Any]:
    """Turn ``handler(studio, request, *parts, *values)`` into a function of an event's values for Gradio.

    ``parts`` are the components, or dataclasses of components, that the handler updates. Its errors reach the
    reader as one sentence.
    """

    def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
        with errors_shown(request):
            yield from handler(studio, request, *parts, *values)

    def call(request: gr.Request, *values: Any) -> Any:
        with errors_shown(request):
            updates = handler(studio, request, *parts, *values)
        return gr.skip() if updates == {} else updates  # Gradio would read an empty dictionary as a value

    return stream if inspect.isgeneratorfunction(handler) else call


def bind_event(studio: Studio, handler: Callable[..., Any], *parts: Any) -> Callable[..., Any]:
    """Bind a handler that needs to know what was clicked: it takes the event's data after its ``parts``."""

    def stream(event: gr.EventData, request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from bind(studio, handler, *parts, event)(request, *values)

    def call(event: gr.EventData, request: gr.Request, *values: Any) -> Any:
        return bind(studio, handler, *parts, event)(request, *values)

    return stream if inspect.isgeneratorfunction(handler) else call


def outlast_reload(
    frame: Frame, name: str, fields: Sequence[gr.components.Component]
) -> gr.events.Dependency:
    """Restore the fields' values when the page is reloaded, also in another language.

    The values are kept as long as the browser's tab is open. Returns the event that restores them.
    """
    arguments = f"'{name}', values"
    gr.on(
        [field.change for field in fields],  # type: ignore[attr-defined]
        None,
        list(fields),
        None,
        js=f"(...values) => oneWord.keep({arguments})",
        **HIDDEN,
    )
    return frame.demo.load(
        None, list(fields), list(fields), js=f"(...values) => oneWord.kept({arguments})", **HIDDEN
    )
