"""The page: its header, drawer and tabs, its theme and its scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import MutableHeaders

from ti_core.languages import languages
from ti_core.resources import ASSETS
from ui import api, header
from ui.drawer import library
from ui.frame import TAB_NAMES, Frame
from ui.parts.events import outlast_reload
from ui.parts.prompt_box import make_prompt
from ui.server.studio import Studio
from ui.tabs.compose import tab as compose
from ui.tabs.generate import tab as generate
from ui.tabs.style import tab as style
from ui.tabs.train import tab as train
from ui.texts import label

HERE = Path(__file__).resolve().parent
FONTS = ("system-ui", "Hiragino Sans", "Yu Gothic UI", "Noto Sans CJK JP", "Noto Sans JP", "sans-serif")
THEME = gr.themes.Soft(
    primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=("ui-monospace", "monospace")
).set(  # Soft's colours are too faint for small text, as tests/helpers/contrast.js measures
    background_fill_primary="*neutral_50",  # Soft's own value, which set() resets
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_300",
    color_accent="*primary_600",
    link_text_color_dark="*secondary_300",
    link_text_color_hover_dark="*secondary_200",
    link_text_color_active_dark="*secondary_200",
    link_text_color_visited_dark="*secondary_300",
    block_label_text_color="*primary_600",
    block_title_text_color="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_hover_dark="*primary_700",
    button_secondary_background_fill_hover_dark="*primary_600",
    checkbox_label_background_fill_selected="*primary_600",
    # The edges of fields and boxes are too faint as well.
    input_border_width="1px",
    input_border_color="*neutral_500",
    input_border_color_dark="*neutral_500",
    checkbox_border_color="*neutral_500",
    checkbox_border_color_dark="*neutral_400",
    button_border_width="1px",
    button_secondary_border_color="*neutral_300",
    button_secondary_border_color_dark="*neutral_500",
)
SHOWN_COPIES = (3600, 24 * 3600)  # seconds: how often copies of shown files are deleted, and at what age


def build_page(studio: Studio) -> gr.Blocks:
    """Build the whole page over one studio."""
    gr.set_static_paths(ASSETS / "examples")  # copies would be deleted, even by another server
    demo = gr.Blocks(title="One Word", analytics_enabled=False, delete_cache=SHOWN_COPIES)
    with demo:
        frame = make_frame(demo)
        api.build(studio)  # first: private events take their function's name if it is free
        header.build(studio, frame)
        with gr.Sidebar(open=False, position="left", width=340, elem_id="words"):
            library.build(studio, frame)
        place_tabs(studio, frame)
        outlast_reload(frame, "prompts", list(frame.prompts.values()))
        opening = demo.load(open_tab, None, [frame.tabs, frame.tab], queue=False, api_visibility="private")
        opening.then(None, js="() => { oneWord.opened = true; return []; }", queue=False)
    demo.queue(max_size=256, default_concurrency_limit=None)  # the device has a queue of its own
    return demo


def make_frame(demo: gr.Blocks) -> Frame:
    """Create the components that several parts share; the part that owns a component places it."""
    return Frame(
        demo=demo,
        tabs=gr.Tabs(render=False, elem_id="tabs"),
        tab=gr.State("train"),
        words_changed=gr.State(0),
        generate_prompt=make_prompt("generate"),
        compose_prompt=make_prompt("compose"),
        style_subjects=style.make_subjects(),
        style_picture=style.make_picture(),
    )


def place_tabs(studio: Studio, frame: Frame) -> None:
    frame.tabs.render()
    with frame.tabs:
        for name, part in zip(TAB_NAMES, (train, generate, compose, style), strict=True):
            # Rendered at once, so that a word can be inserted into a prompt whose tab was never opened.
            with gr.Tab(label(f"frame_tab_{name}"), id=name, render_children=True) as tab:
                part.build(studio, frame)
            tab.select(
                lambda name=name: name,
                None,
                frame.tab,
                queue=False,
                js=f"() => {{ oneWord.rememberTab('{name}'); return []; }}",
                api_visibility="private",
            )


def open_tab(request: gr.Request) -> tuple[gr.Tabs, str]:
    """Open the tab that the page's address names, else the first."""
    name = request.query_params.get("tab")
    name = name if name in TAB_NAMES else TAB_NAMES[0]
    return gr.Tabs(selected=name), name


class FirstScript:
    """ASGI middleware that puts ``page.js`` into the page's head, before Gradio's own scripts.

    Gradio chooses the language before it runs the scripts passed to its ``head`` option.
    """

    def __init__(self, app: Any):
        self._app = app
        script = (HERE / "page.js").read_text(encoding="utf-8")
        self._script = f"<script>const LANGUAGES = {json.dumps(languages())};\n{script}</script>".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("GET", "/"):
            await self._app(scope, receive, send)
            return
        start: dict[str, Any] = {}
        page = b""

        async def send_with_script(message: Any) -> None:
            nonlocal page
            if message["type"] == "http.response.start":
                start.update(message)
                return
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            page = page.replace(b"</head>", self._script + b"</head>", 1)
            MutableHeaders(raw=start["headers"])["content-length"] = str(len(page))
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self._app(scope, receive, send_with_script)
