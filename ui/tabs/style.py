"""The tab where a word's style is put on subjects, or on a picture of the person's own."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from PIL import Image

from ti_core.drawing.generate import fit_source
from ti_core.drawing.settings import Order
from ti_core.errors import PictureError
from ti_core.pictures.decode import open_picture
from ti_core.prompts.composition import RESTYLE_STRENGTH, restyle_prompt, style_prompts
from ti_core.resources import ASSETS
from ui.frame import Frame
from ui.parts.controls import drawing_controls, read_settings
from ui.parts.events import HIDDEN, QUIET, bind
from ui.parts.prompt_box import MAX_LENGTH, SCRIPT, all_words, chip, chip_row, concepts_in, for_box
from ui.parts.results import COLUMNS, drawing_events, result_area, seed_caption, show_drawing
from ui.parts.word_card import (
    cards_html,
    clicked_token,
    place_cards,
    place_offers,
    take_ready_words,
    usable_words,
)
from ui.server.drawing import Drawn, draw_orders, served
from ui.server.errors import plainly, refusal
from ui.server.studio import Studio
from ui.texts import explain, label, language_of, say

Way = Literal["subjects", "picture"]

MOST_PICTURES = 24
LEAST_STRENGTH = 0.05
EXAMPLE_SUBJECTS = (
    ("a house", "a cat", "a mug"),
    ("a tree in the snow", "a boat at night", "a car on the beach"),
)
EXAMPLE_PICTURES = ("cat", "teapot", "monster")


@dataclass(frozen=True)
class Choice:
    """The word whose style is taken, "" for none yet."""

    cards: str
    token: str
    usable: int
    """How many words there are to choose from."""
    styles: int
    """How many of them are styles."""


def make_subjects() -> gr.Textbox:
    return gr.Textbox(
        "",
        label=label("style_subjects"),
        info=label("style_subjects_info"),
        placeholder=label("style_subjects_placeholder"),
        lines=3,
        max_lines=12,
        max_length=MAX_LENGTH,
        elem_id="style-subjects",
        render=False,
    )


def make_picture() -> gr.Image:
    return gr.Image(
        label=label("style_picture"),
        type="filepath",
        image_mode=None,  # the file as it is: the core reads it
        sources=["upload", "clipboard"],
        height=260,
        elem_id="style-picture",
        render=False,
    )


def build(studio: Studio, frame: Frame) -> None:
    chosen, way, before = gr.State(""), gr.State("subjects"), gr.State(None)
    cards = place_cards("style")
    teach, ready = place_offers(frame, "style")
    with gr.Row(visible=False) as panel:
        with gr.Column(scale=3, min_width=320):
            with gr.Tabs(elem_id="style-ways") as ways:
                with gr.Tab(label("style_way_subjects"), id="subjects", render_children=True) as by_subjects:
                    frame.style_subjects.render()
                    gr.HTML(examples_html(), elem_classes="snug", js_on_load=SCRIPT)
                with gr.Tab(label("style_way_picture"), id="picture", render_children=True) as by_picture:
                    frame.style_picture.render()
                    gr.Examples(
                        [[str(ASSETS / "examples" / name / "0.png")] for name in EXAMPLE_PICTURES],
                        frame.style_picture,
                        label=label("drawing_examples"),
                        cache_examples=False,
                        api_visibility="private",
                    )
                    strength = gr.Slider(
                        LEAST_STRENGTH,
                        1,
                        RESTYLE_STRENGTH,
                        step=0.05,
                        label=label("style_strength"),
                        info=label("style_strength_info"),
                    )
            area = result_area(studio, "style")
            comparison = gr.ImageSlider(
                label=label("style_comparison"),  # type: ignore[arg-type]  # Gradio takes it here too
                format="png",
                interactive=False,
                visible=False,
                elem_id="style-comparison",
            )
        with gr.Column(scale=2, min_width=300):
            controls = drawing_controls(count=1)
    drawing_events(
        studio,
        area,
        draw,
        [way, chosen, frame.style_subjects, frame.style_picture, strength, *controls.inputs],
        [area.draw.click],
        [before, comparison],
    )

    @plainly
    def on_card(event: gr.EventData, request: gr.Request) -> list[Any]:
        return show_choice(choose(studio, request, clicked_token(event)))

    @plainly
    def on_words(request: gr.Request, chosen: str) -> list[Any]:
        return show_choice(choose(studio, request, chosen))

    @plainly
    def on_picture(event: gr.SelectData, request: gr.Request, before: Image.Image | None, drawn: Any) -> Any:
        return compare(before, drawn[event.index]) if before else gr.skip()

    @plainly
    def on_ready(request: gr.Request, words_changed: int) -> list[Any]:
        return [*show_choice(choose_ready_style(studio, request)), words_changed + 1]

    shown = [cards, teach, panel, chosen]
    cards.select(on_card, None, shown, **QUIET)
    # Queued, for only then is an error shown, and the change of a state noticed.
    ready.click(on_ready, frame.words_changed, [*shown, frame.words_changed], **HIDDEN)
    gr.on([frame.demo.load, frame.words_changed.change], on_words, chosen, shown, **QUIET)
    by_subjects.select(lambda: "subjects", None, way, **QUIET)
    by_picture.select(lambda: "picture", None, way, **QUIET)
    frame.style_picture.upload(
        bind(studio, check_picture),
        frame.style_picture,
        frame.style_picture,
        preprocess=False,  # which would open the file, and fail without a reason
        show_progress="hidden",
        api_visibility="private",
    )
    # Also when another tab sends a picture.
    frame.style_picture.change(lambda: (gr.Tabs(selected="picture"), "picture"), None, [ways, way], **QUIET)
    area.gallery.select(on_picture, [before, area.drawn], comparison, trigger_mode="always_last", **HIDDEN)


def examples_html() -> str:
    """A button for each list of subjects, which writes it into the box."""
    buttons = "".join(chip(", ".join(subjects), prompt="\n".join(subjects)) for subjects in EXAMPLE_SUBJECTS)
    return for_box("style-subjects", chip_row(buttons))


# --- choosing ---------------------------------------------------------------------------------------------


def choose(studio: Studio, request: gr.Request, token: str) -> Choice:
    """The word of a token if it can be used, else the newest style; styles are shown before things."""
    backbone = studio.models.backbone
    entries, _ = studio.home(request).library.entries()
    entries.sort(key=lambda entry: entry.concept.kind != "style")
    usable = usable_words(entries, backbone.base if backbone else None)
    styles = [word.token for word in usable.values() if word.kind == "style"]
    if token not in usable:
        token = styles[0] if styles else ""
    key = "style_choose" if styles else "style_no_style" if usable else "style_none"
    hint = say(language_of(request), key)
    cards = cards_html(language_of(request), hint, entries, usable, [token])
    return Choice(cards, token, len(usable), len(styles))


def choose_ready_style(studio: Studio, request: gr.Request) -> Choice:
    """The style that came with the program; raises as :func:`take_ready_words`."""
    words = take_ready_words(studio, request)
    return choose(studio, request, next((word.token for word in words if word.kind == "style"), ""))


def show_choice(choice: Choice) -> list[Any]:
    """Updates of the tab, in the order of ``shown`` in :func:`build`."""
    return [
        choice.cards,
        gr.update(visible=not choice.styles),
        gr.update(visible=bool(choice.usable)),
        choice.token,
    ]


def check_picture(studio: Studio, request: gr.Request, picture: dict[str, Any]) -> Any:
    """Take an uploaded picture away again if it cannot be read, and say why."""
    try:
        open_picture(picture["path"])
    except PictureError as error:
        language = language_of(request)
        gr.Warning(html.escape(explain(language, error)), title=say(language, "frame_warning"))
        return None
    return gr.skip()


# --- drawing ----------------------------------------------------------------------------------------------


def draw(
    studio: Studio,
    request: gr.Request,
    way: Way,
    token: str,
    subjects: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[list[Any]]:
    """Draw what the open half of the tab asks for."""
    if way == "subjects":
        yield from draw_subjects(studio, request, token, subjects, *controls)
    else:
        yield from restyle_picture(studio, request, token, picture, strength, *controls)


def draw_subjects(
    studio: Studio, request: gr.Request, token: str, subjects: str, *controls: Any
) -> Iterator[list[Any]]:
    """Draw each line of ``subjects`` in the style of the word, at every seed."""
    language, known = language_of(request), all_words(studio.home(request).library)
    if token not in known:
        raise refusal(language, "style_no_word")
    lines = [line.strip() for line in subjects.splitlines() if line.strip()]
    if not lines:
        raise refusal(language, "style_no_subjects")
    asked = [read_settings(prompt, *controls) for prompt in style_prompts(token, lines)]
    count = asked[0].count
    if count * len(asked) > MOST_PICTURES:
        raise refusal(language, "style_many_pictures", count=count * len(asked), most=MOST_PICTURES)
    orders = [
        Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt)) for settings in asked
    ]

    def caption(number: int, drawn: Drawn) -> str:
        return f"{lines[number // count]} · {seed_caption(language, drawn)}"

    columns = count if count > 1 else min(len(lines), COLUMNS)
    for update in show_drawing(studio, request, draw_orders(lambda _: orders), caption, columns):
        yield [*update, None, gr.update(visible=False)]


def restyle_picture(
    studio: Studio,
    request: gr.Request,
    token: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[list[Any]]:
    """Redraw a picture in the style of the word, and set the first result beside it."""
    language, known = language_of(request), all_words(studio.home(request).library)
    if token not in known:
        raise refusal(language, "style_no_word")
    if not picture:
        raise refusal(language, "style_no_picture")
    source, _, _ = open_picture(picture, alpha="flatten")
    settings = read_settings(restyle_prompt(token), *controls, strength=strength)
    order = Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt), source)
    before = None
    for update in show_drawing(studio, request, draw_orders(lambda _: [order])):
        drawn: Sequence[Drawn] | dict[str, Any] = update[2]
        if isinstance(drawn, tuple) and drawn:
            before = before or fit_source(source, drawn[0].recipe.width, drawn[0].recipe.height)
            yield [*update, before, compare(before, drawn[0])]
        elif before is None:
            yield [*update, None, gr.update(visible=False)]
        else:
            yield [*update, gr.skip(), gr.skip()]


def compare(before: Image.Image, after: Drawn) -> Any:
    return gr.update(value=(before, served(after.path)), visible=True)
