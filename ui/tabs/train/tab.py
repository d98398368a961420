"""The Train tab: a form for a new word, and the run that the form starts."""

from __future__ import annotations

import gradio as gr

from ui.frame import Frame
from ui.parts.publish import bind_panel, place_panel
from ui.server.studio import Studio
from ui.tabs.train.form import bind_form, place_form
from ui.tabs.train.result_panel import find_word
from ui.tabs.train.run_panel import Tab, bind_run_panel, place_run_panel
from ui.texts import label


def build(studio: Studio, frame: Frame) -> None:
    """Place the tab. It shows either the form or a run; a list above them switches between them."""
    gr.Markdown(label("train_about"))
    panel = place_run_panel()
    with panel.result.column:
        publishing = place_panel("train")
    form = place_form()
    bind_form(studio, frame, form)
    bind_run_panel(studio, Tab(frame, form, panel))
    bind_panel(studio, publishing, panel.view, find_word, panel.result.headline.change)
