"""The frame of a page that has no tabs yet, to place one of them in."""

from __future__ import annotations

import gradio as gr

from ui.frame import Frame
from ui.parts.prompt_box import make_prompt
from ui.tabs.style import make_picture, make_subjects


def empty_frame() -> Frame:
    """Place components in it ``with empty_frame().demo:``."""
    with gr.Blocks() as demo:
        return Frame(
            demo=demo,
            tabs=gr.Tabs(),
            tab=gr.State("generate"),
            words_changed=gr.State(0),
            generate_prompt=make_prompt("generate"),
            compose_prompt=make_prompt("compose"),
            style_subjects=make_subjects(),
            style_picture=make_picture(),
        )
