"""The model's own suggestion for the initial word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from ti_core.config import TrainingConfig
from ti_core.prompts.templates import Kind
from ti_core.training.initial_word import candidate_words
from ti_core.training.preparation import prepare
from ui.server.drawing import POLL_SECONDS
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.tabs.train.picture_set import PictureSet, prepared_pictures
from ui.tabs.train.presets import UNNAMED
from ui.tabs.train.runs import ready_model
from ui.texts import language_of, say


def suggest_word(
    studio: Studio, request: gr.Request, chosen: PictureSet, kind: Kind, seed: int
) -> Iterator[tuple[str | None, str]]:
    """Ask the model which known word fits the pictures; yield the word, None until it is found, and a text.

    Raises :class:`gr.Error` if there are no pictures, :class:`~ui.server.device_queue.QueueFull`, and the
    errors of :func:`~ui.tabs.train.runs.ready_model` and
    :func:`~ui.tabs.train.picture_set.prepared_pictures`.
    """
    language = language_of(request)
    if not chosen.pictures:
        raise refusal(language, "train_no_pictures")
    backbone = ready_model(studio, language)
    config = TrainingConfig(UNNAMED, kind=kind, seed=seed)
    pictures = [replace(picture, caption=None) for picture in prepared_pictures(chosen, backbone.resolution)]
    with studio.device.enter() as ticket:
        while not ticket.wait(POLL_SECONDS):
            yield None, say(language, "drawing_waiting", place=ticket.position)
        yield None, say(language, "train_suggesting", count=len(candidate_words(backbone, kind)))
        if studio.gpu is None:
            word = prepare(backbone, pictures, config).initializer
        else:
            word = studio.gpu.choose(studio.models.load_options(backbone), pictures, config)
    yield word, say(language, "train_suggested", word=word)
