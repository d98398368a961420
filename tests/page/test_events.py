"""Bound handlers: what they are given, and what Gradio makes of their return values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from helpers.requests import request_of

from ui.parts.events import Updates, bind, bind_event
from ui.server.studio import Studio

SKIP = gr.skip()


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def sent(studio: Studio, handler: Callable[..., Updates], outputs: int) -> list[Any]:
    """Return what Gradio sends to the page for a handler that is bound to text boxes."""

    async def answer(demo: gr.Blocks) -> dict[str, Any]:
        [event] = demo.fns.values()
        return await demo.process_api(event, [], request=request_of())

    with gr.Blocks() as demo:
        boxes = [gr.Textbox() for _ in range(outputs)]
        gr.Button().click(bind(studio, handler, boxes), None, boxes)
    return asyncio.run(answer(demo))["data"]


@pytest.mark.parametrize("outputs", [1, 3])
def test_no_updates_change_nothing(studio: Studio, outputs: int) -> None:
    assert sent(studio, lambda studio, request, boxes: {}, outputs) == [SKIP] * outputs


def test_what_is_left_out_of_the_updates_stays(studio: Studio) -> None:
    assert sent(studio, lambda studio, request, boxes: {boxes[0]: "one"}, 1) == ["one"]
    assert sent(studio, lambda studio, request, boxes: {boxes[1]: "two"}, 3) == [SKIP, "two", SKIP]


def test_a_handler_of_a_click_is_given_its_components_and_the_event(studio: Studio) -> None:
    def choose(*given: Any) -> tuple[Any, ...]:
        return given

    def draw(*given: Any) -> Iterator[tuple[Any, ...]]:
        yield given

    event, me = gr.EventData(None, {"word": "<our-cat>"}), request_of()
    assert bind_event(studio, choose, "part")(event, me, "value") == (studio, me, "part", event, "value")
    assert list(bind_event(studio, draw, "part")(event, me, 1)) == [(studio, me, "part", event, 1)]


def test_an_error_of_a_handler_is_said_in_the_readers_language(studio: Studio) -> None:
    def fail(studio: Studio, request: gr.Request, event: gr.EventData) -> Updates:
        raise KeyError(event.word)

    with pytest.raises(gr.Error, match="予期しない問題"):
        bind_event(studio, fail)(gr.EventData(None, {"word": "x"}), request_of(language="ja"))
