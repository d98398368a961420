"""The tab that learns a word: a form for a new one, and the training that it starts."""

from __future__ import annotations

import gradio as gr

from ui.frame import Frame
from ui.parts.publish import bind_panel, place_panel
from ui.server.studio import Studio
from ui.tabs.train.form import bind_form, build_form
from ui.tabs.train.job import bind_job, build_job, find_word
from ui.texts import label


def build(studio: Studio, frame: Frame) -> None:
    """Place the tab. Either the form or a run is seen; a list above them leads from one to the other."""
    gr.Markdown(label("train_about"))
    job = build_job()
    with job.result:
        panel = place_panel("train")
    form = build_form()
    bind_form(studio, frame, form)
    bind_job(studio, frame, job, form)
    bind_panel(studio, panel, job.view, find_word, job.headline.change)
