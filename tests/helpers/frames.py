"""Make a page without tabs, in which a test places one tab."""

from __future__ import annotations

import gradio as gr

from ui.frame import Frame
from ui.page import make_frame


def empty_frame() -> Frame:
    """Make a frame; components are placed in it ``with frame.demo:``."""
    with gr.Blocks() as demo:
        frame = make_frame(demo)
        frame.tabs.render()
    return frame
