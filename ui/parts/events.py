"""How the page's events are set up, and what their handlers are given and return."""

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
    """Make of ``handler(studio, request, *parts, *values)`` what Gradio can call with an event's values.

    ``parts`` are the components, or dataclasses of them, that the handler updates. Its errors reach the
    reader as one sentence.
    """

    def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
        with errors_shown(request):
            yield from handler(studio, request, *parts, *values)

    def call(request: gr.Request, *values: Any) -> Any:
        with errors_shown(request):
            updates = handler(studio, request, *parts, *values)
        return gr.skip() if updates == {} else updates  # Gradio takes an empty dictionary for a value

    return stream if inspect.isgeneratorfunction(handler) else call


def bind_event(studio: Studio, handler: Callable[..., Any], *parts: Any) -> Callable[..., Any]:
    """Bind a handler of an event that says what was clicked: it takes that event after its ``parts``."""

    def stream(event: gr.EventData, request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from bind(studio, handler, *parts, event)(request, *values)

    def call(event: gr.EventData, request: gr.Request, *values: Any) -> Any:
        return bind(studio, handler, *parts, event)(request, *values)

    return stream if inspect.isgeneratorfunction(handler) else call


def outlast_reload(
    frame: Frame, name: str, fields: Sequence[gr.components.Component]
) -> gr.events.Dependency:
    """Keep what is written in the fields as long as the browser's tab is open, and fill it in when the page
    is loaded again, also in another language. Returns the event that fills it in."""
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
