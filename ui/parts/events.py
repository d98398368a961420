"""How the page's events are set up, and how their handlers get the studio and the request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from ui.frame import Frame
from ui.server.errors import plainly
from ui.server.studio import Studio

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How an event is set up that the page shows in its own way, if at all. It is queued: only then is an error
shown, and the change of a state noticed."""
QUIET: dict[str, Any] = {"queue": False, "trigger_mode": "always_last", **HIDDEN}
"""How an event is set up that waits for nothing, and that shows the last of many changes too: by Gradio's own
default, one of several triggers does nothing while the event is under way."""


def bind(studio: Studio, handler: Callable[..., Any]) -> Callable[..., Any]:
    """``handler(studio, request, *values)`` as Gradio calls it, with its errors in plain words."""
    told = plainly(handler)

    def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from told(studio, request, *values)

    def call(request: gr.Request, *values: Any) -> Any:
        return told(studio, request, *values)

    return stream if inspect.isgeneratorfunction(handler) else call


def outlast_reload(
    frame: Frame, name: str, fields: Sequence[gr.components.Component]
) -> gr.events.Dependency:
    """Let the browser keep what is in the fields while its tab is open, and fill it in as the page is loaded:
    also when that is for another language. Returns what fills it in."""
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
