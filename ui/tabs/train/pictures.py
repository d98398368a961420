"""The pictures of the form: examples, uploads, and an editor for one picture at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.resources import ASSETS
from ui.parts.events import HIDDEN, Updates, bind, bind_event
from ui.server.studio import Studio
from ui.tabs.train.picture_set import (
    EXAMPLES,
    Framing,
    PictureSet,
    add_pictures,
    caption_picture,
    model_resolution,
    open_set,
    reframe_picture,
    remove_picture,
)
from ui.tabs.train.picture_view import framing_html, pictures_html, rejected_html
from ui.tabs.train.settings import TIGHT
from ui.texts import label, language_of

MOST_ZOOM = 4
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
# Changes of a set run one after the other, because each builds on the last. All visitors share this queue.
IN_LINE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "pictures"}
# A button beside a picture names the picture and the action; a picture on the clipboard becomes an upload.
PICTURES_JS = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-act]');
  if (button) trigger('select', {act: button.dataset.act, picture: button.dataset.picture});
});
document.addEventListener('paste', event => {
  const files = event.clipboardData && event.clipboardData.files;
  const upload = document.querySelector('#train-upload');
  const input = upload && upload.offsetParent && upload.querySelector('input[type=file]');
  if (!input || !files || !files.length) return;
  input.files = files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
});
"""
# The pressed button may be gone: focus the editor if it is open, else the first picture.
FOCUS_JS = """
() => requestAnimationFrame(() => {
  const find = (selector) => document.querySelector(selector);
  const next = find('#train-editor input') || find('#train-pictures button');
  if (next) next.focus();
  return [];
})
"""


@dataclass(frozen=True)
class PicturesPart:
    """The components of this part. The page remembers only the hidden ``set_name`` and ``opened``."""

    set_name: gr.Textbox
    """The name of the set on disk."""
    opened: gr.Textbox
    """The id of the picture in the editor, "" while that is closed."""
    examples: dict[str, gr.Button]
    put_back: gr.Button
    upload: gr.File
    pictures: gr.HTML
    rejected: gr.HTML
    editor: gr.Column
    framing: gr.HTML
    zoom: gr.Slider
    across: gr.Slider
    down: gr.Slider
    caption: gr.Textbox
    close: gr.Button

    @property
    def inputs(self) -> list[Block]:
        """The values that :func:`current_set` takes."""
        return [self.set_name, self.opened, self.caption]

    @property
    def outputs(self) -> list[Block]:
        """The components that a change of the pictures may change."""
        editor = [self.editor, self.opened, self.framing, self.zoom, self.across, self.down, self.caption]
        return [self.set_name, self.pictures, self.rejected, self.put_back, *editor]


def place_pictures(set_name: gr.Textbox, opened: gr.Textbox) -> PicturesPart:
    """Place the part of the form where pictures are chosen; hidden components are created outside it."""
    gr.Markdown(label("train_examples"), elem_classes="train-label")
    with gr.Row(equal_height=True, elem_classes="train-examples"):
        examples = {name: _example_button(name) for name in EXAMPLES}
        put_back = gr.Button(label("train_put_back"), size="sm", min_width=120, visible=False)
    upload = gr.File(label=label("train_upload"), file_count="multiple", height=140, elem_id="train-upload")
    pictures = gr.HTML(js_on_load=PICTURES_JS, elem_id="train-pictures", elem_classes=TIGHT)
    rejected = gr.HTML(elem_id="train-rejected", elem_classes=TIGHT)
    with gr.Column(visible=False, variant="panel", elem_id="train-editor") as editor:
        framing = gr.HTML(elem_classes=TIGHT)
        with gr.Row():
            zoom = gr.Slider(1, MOST_ZOOM, 1, step=0.05, label=label("train_zoom"), min_width=160)
            across = gr.Slider(0, 1, 0.5, step=0.01, label=label("train_across"), min_width=160)
            down = gr.Slider(0, 1, 0.5, step=0.01, label=label("train_down"), min_width=160)
        caption = gr.Textbox("", label=label("train_caption"), info=label("train_caption_info"), max_lines=1)
        close = gr.Button(label("train_editor_close"), size="sm")
    return PicturesPart(
        set_name=set_name,
        opened=opened,
        examples=examples,
        put_back=put_back,
        upload=upload,
        pictures=pictures,
        rejected=rejected,
        editor=editor,
        framing=framing,
        zoom=zoom,
        across=across,
        down=down,
        caption=caption,
        close=close,
    )


def bind_pictures(studio: Studio, part: PicturesPart) -> None:
    """Bind the events of uploads, of the buttons beside the pictures and of the editor."""
    part.upload.upload(
        with_set(studio, upload, part), [*part.inputs, part.upload], part.outputs, **PRIVATE, **IN_LINE
    ).then(lambda: None, None, part.upload, queue=False, **PRIVATE)
    part.pictures.select(bind_event(studio, act, part), part.inputs, part.outputs, **HIDDEN, **IN_LINE).then(
        None, js=FOCUS_JS, **HIDDEN
    )
    part.close.click(with_set(studio, close_editor, part), part.inputs, part.outputs, **HIDDEN, **IN_LINE)
    gr.on(
        [part.zoom.input, part.across.input, part.down.input],
        with_set(studio, reframe, part),
        [*part.inputs, part.zoom, part.across, part.down],
        part.outputs,
        trigger_mode="always_last",
        **HIDDEN,
        **IN_LINE,
    )
    part.caption.input(
        bind(studio, describe), part.inputs, None, trigger_mode="always_last", **HIDDEN, **IN_LINE
    )


def with_set(studio: Studio, handler: Callable[..., Any], *parts: Any) -> Callable[..., Any]:
    """Bind ``handler(studio, request, *parts, chosen, opened, *values)``.

    The event's inputs must begin with :attr:`PicturesPart.inputs`. The handler gets the set that the page
    shows and the id of the opened picture.
    """

    def handle(
        studio: Studio, request: gr.Request, set_name: str, opened: str, caption: str, *values: Any
    ) -> Any:
        chosen = current_set(studio, request, set_name, opened, caption)
        return handler(studio, request, *parts, chosen, opened, *values)

    return bind(studio, handle)


def current_set(studio: Studio, request: gr.Request, set_name: str, opened: str, caption: str) -> PictureSet:
    """Read the set that the page shows, with the latest description of the opened picture."""
    return caption_picture(open_set(studio.home(request), set_name), opened, caption)


# --- handlers ---------------------------------------------------------------------------------------------


def bring_back(studio: Studio, request: gr.Request, part: PicturesPart, set_name: str | None) -> Updates:
    """Show the pictures that the page had before a reload; a new page gets the name of its set."""
    return show_set(studio, request, part, open_set(studio.home(request), set_name or ""))


def upload(
    studio: Studio,
    request: gr.Request,
    part: PicturesPart,
    chosen: PictureSet,
    opened: str,
    files: Sequence[str] | None,
) -> Updates:
    """Add files, and say which of them are not pictures."""
    chosen, reasons = add_pictures(studio, request, chosen, files or [])
    rejected = rejected_html(language_of(request), reasons)
    return {**show_pictures(studio, request, part, chosen, opened), part.rejected: rejected}


def act(
    studio: Studio,
    request: gr.Request,
    part: PicturesPart,
    event: gr.EventData,
    set_name: str,
    opened: str,
    caption: str,
) -> Updates:
    """Carry out the action of a button beside a picture: remove the picture, or open it in the editor."""
    chosen, identifier = current_set(studio, request, set_name, opened, caption), event._data["picture"]
    if event._data["act"] == "remove":
        return remove(studio, request, part, chosen, opened, identifier)
    return show_editor(studio, request, part, chosen, identifier)


def remove(
    studio: Studio, request: gr.Request, part: PicturesPart, chosen: PictureSet, opened: str, identifier: str
) -> Updates:
    """Remove a picture; close the editor if the picture was open in it."""
    return show_set(studio, request, part, remove_picture(chosen, identifier), opened)


def close_editor(
    studio: Studio, request: gr.Request, part: PicturesPart, chosen: PictureSet, _: str
) -> Updates:
    return show_editor(studio, request, part, chosen, "")


def reframe(
    studio: Studio,
    request: gr.Request,
    part: PicturesPart,
    chosen: PictureSet,
    opened: str,
    *framing: float,
) -> Updates:
    """Change the crop of the opened picture. The sliders are not updated: they may still be moving."""
    chosen = reframe_picture(studio, chosen, opened, Framing(*framing))
    updates = show_pictures(studio, request, part, chosen, opened)
    picture = chosen.find(opened)
    if picture is not None:
        updates[part.framing] = framing_html(language_of(request), picture, model_resolution(studio))
    return updates


def describe(studio: Studio, request: gr.Request, set_name: str, opened: str, caption: str) -> None:
    """Save a description. The page is not updated, because a description does not change its look."""
    current_set(studio, request, set_name, opened, caption)


# --- updates ----------------------------------------------------------------------------------------------


def show_set(
    studio: Studio, request: gr.Request, part: PicturesPart, chosen: PictureSet, opened: str = ""
) -> Updates:
    """Show a set without rejected files, and whether there is a set aside to return to."""
    updates = show_editor(studio, request, part, chosen, opened)
    back = gr.Button(visible=chosen.set_aside is not None)
    return updates | {part.rejected: "", part.put_back: back}


def show_editor(
    studio: Studio, request: gr.Request, part: PicturesPart, chosen: PictureSet, opened: str
) -> Updates:
    """Show a set with its opened picture in the editor, or with the editor closed if none is opened."""
    picture = chosen.find(opened)
    if picture is None:
        closed = {part.opened: "", part.editor: gr.Column(visible=False), part.framing: ""}
        return show_pictures(studio, request, part, chosen, "") | closed
    return show_pictures(studio, request, part, chosen, opened) | {
        part.opened: opened,
        part.editor: gr.Column(visible=True),
        part.framing: framing_html(language_of(request), picture, model_resolution(studio)),
        part.zoom: picture.framing.zoom,
        part.across: picture.framing.across,
        part.down: picture.framing.down,
        part.caption: picture.caption,
    }


def show_pictures(
    studio: Studio, request: gr.Request, part: PicturesPart, chosen: PictureSet, opened: str
) -> Updates:
    """Show a set without changing the editor."""
    shown = pictures_html(language_of(request), chosen, model_resolution(studio), opened)
    return {part.set_name: chosen.name, part.pictures: shown}


def _example_button(name: str) -> gr.Button:
    icon = str(ASSETS / "examples" / name / "0.png")
    return gr.Button(label(f"train_example_{name}"), icon=icon, size="sm", min_width=120)
