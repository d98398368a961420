"""The tab where a word's style is put on subjects, or on a picture of the visitor's own."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from ti_core.drawing.generate import fit_source
from ti_core.drawing.settings import Order
from ti_core.errors import PictureError
from ti_core.pictures.decode import open_picture
from ti_core.prompts.composition import RESTYLE_STRENGTH, restyle_prompt, style_prompts
from ti_core.resources import ASSETS
from ui.frame import Frame
from ui.parts.controls import DrawingControls, place_controls, read_settings
from ui.parts.events import HIDDEN, QUIET, Updates, bind, bind_event
from ui.parts.prompt_box import CHIPS_SCRIPT, chip, chip_row, chips_for
from ui.parts.results import GALLERY_COLUMNS, ResultArea, place_results, seed_caption, show_drawing
from ui.parts.word_card import clicked_word
from ui.parts.word_chooser import WordChooser, chooser_html, place_chooser
from ui.server.downloads import served
from ui.server.drawing import Drawn, draw_orders
from ui.server.errors import refusal
from ui.server.studio import Studio
from ui.server.words import MAX_PROMPT_LENGTH, all_words, concepts_in, take_ready_words, usable_words
from ui.texts import explain, label, language_of, say

Way = Literal["subjects", "picture"]

MAX_PICTURES = 24
MIN_STRENGTH = 0.05
EXAMPLE_SUBJECTS = (
    ("a house", "a cat", "a mug"),
    ("a tree in the snow", "a boat at night", "a car on the beach"),
)
EXAMPLE_PICTURES = ("cat", "teapot", "monster")


@dataclass(frozen=True)
class StyleChoice:
    """The word whose style is taken, "" for none yet.

    ``cards`` shows all words, of which ``usable`` can be chosen and ``styles`` are styles.
    """

    cards: str
    token: str
    usable: int
    styles: int


@dataclass(frozen=True)
class StyleResults:
    """Where the pictures appear: with the visitor's picture, as it was drawn over, beside the chosen one."""

    area: ResultArea
    before: gr.State
    comparison: gr.ImageSlider

    @property
    def outputs(self) -> list[Block]:
        return [*self.area.outputs, self.before, self.comparison]


@dataclass(frozen=True)
class StyleTab:
    """The tab's components. ``panel`` is hidden while there is no word; ``way`` says which of its two halves
    is open, ``by_subjects`` or ``by_picture``."""

    chooser: WordChooser
    chosen: gr.State
    panel: gr.Row
    way: gr.State
    ways: gr.Tabs
    by_subjects: gr.Tab
    by_picture: gr.Tab
    strength: gr.Slider
    results: StyleResults
    controls: DrawingControls

    @property
    def choice_outputs(self) -> list[Block]:
        """The components that :func:`show_choice` updates."""
        return [self.chooser.cards, self.chooser.teach, self.panel, self.chosen]


def make_subjects() -> gr.Textbox:
    return gr.Textbox(
        "",
        label=label("style_subjects"),
        info=label("style_subjects_info"),
        placeholder=label("style_subjects_placeholder"),
        lines=3,
        max_lines=12,
        max_length=MAX_PROMPT_LENGTH,
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
    tab = place_tab(studio, frame)
    bind_choice(studio, frame, tab)
    bind_picture(studio, frame, tab)
    bind_drawing(studio, frame, tab)


# --- the components ---------------------------------------------------------------------------------------


def place_tab(studio: Studio, frame: Frame) -> StyleTab:
    chosen, way = gr.State(""), gr.State("subjects")
    chooser = place_chooser(frame, "style")
    with gr.Row(visible=False) as panel:
        with gr.Column(scale=3, min_width=320):
            with gr.Tabs(elem_id="style-ways") as ways:
                with gr.Tab(label("style_way_subjects"), id="subjects", render_children=True) as by_subjects:
                    frame.style_subjects.render()
                    gr.HTML(examples_html(), elem_classes="snug", js_on_load=CHIPS_SCRIPT)
                with gr.Tab(label("style_way_picture"), id="picture", render_children=True) as by_picture:
                    strength = _place_picture(frame)
            results = _place_results(studio)
        with gr.Column(scale=2, min_width=300):
            controls = place_controls(count=1)
    return StyleTab(chooser, chosen, panel, way, ways, by_subjects, by_picture, strength, results, controls)


def _place_picture(frame: Frame) -> gr.Slider:
    frame.style_picture.render()
    gr.Examples(
        [[str(ASSETS / "examples" / name / "0.png")] for name in EXAMPLE_PICTURES],
        frame.style_picture,
        label=label("drawing_examples"),
        cache_examples=False,
        api_visibility="private",
    )
    return gr.Slider(
        MIN_STRENGTH,
        1,
        RESTYLE_STRENGTH,
        step=0.05,
        label=label("style_strength"),
        info=label("style_strength_info"),
    )


def _place_results(studio: Studio) -> StyleResults:
    area = place_results(studio, "style")
    comparison = gr.ImageSlider(
        label=label("style_comparison"),  # type: ignore[arg-type]  # Gradio takes it here too
        format="png",
        interactive=False,
        visible=False,
        elem_id="style-comparison",
    )
    return StyleResults(area, gr.State(None), comparison)


def examples_html() -> str:
    """Draw a button for each list of subjects, which writes it into the box."""
    buttons = "".join(chip(", ".join(subjects), prompt="\n".join(subjects)) for subjects in EXAMPLE_SUBJECTS)
    return chips_for("style-subjects", chip_row(buttons))


# --- choosing ---------------------------------------------------------------------------------------------


def bind_choice(studio: Studio, frame: Frame, tab: StyleTab) -> None:
    outputs = tab.choice_outputs
    tab.chooser.cards.select(bind_event(studio, choose_card, tab), None, outputs, **QUIET)
    gr.on(
        [frame.demo.load, frame.words_changed.change],
        bind(studio, follow_words, tab),
        tab.chosen,
        outputs,
        **QUIET,
    )
    # Queued, for only then is an error shown, and the change of a state noticed.
    tab.chooser.ready.click(
        bind(studio, take_ready, tab, frame),
        frame.words_changed,
        [*outputs, frame.words_changed],
        **HIDDEN,
    )


def choose_card(studio: Studio, request: gr.Request, tab: StyleTab, event: gr.EventData) -> Updates:
    return show_choice(tab, choose_style(studio, request, clicked_word(event)))


def follow_words(studio: Studio, request: gr.Request, tab: StyleTab, token: str) -> Updates:
    return show_choice(tab, choose_style(studio, request, token))


def take_ready(
    studio: Studio, request: gr.Request, tab: StyleTab, frame: Frame, words_changed: int
) -> Updates:
    updates = show_choice(tab, choose_ready_style(studio, request))
    return {**updates, frame.words_changed: words_changed + 1}


def show_choice(tab: StyleTab, choice: StyleChoice) -> Updates:
    return {
        tab.chooser.cards: choice.cards,
        tab.chooser.teach: gr.update(visible=not choice.styles),
        tab.panel: gr.update(visible=bool(choice.usable)),
        tab.chosen: choice.token,
    }


def choose_style(studio: Studio, request: gr.Request, token: str) -> StyleChoice:
    """Choose the word of a token if it can be used, else the newest style; styles are shown before things."""
    backbone = studio.models.backbone
    entries, _ = studio.home(request).library.entries()
    entries.sort(key=lambda entry: entry.concept.kind != "style")
    usable = usable_words(entries, backbone.base if backbone else None)
    styles = [word.token for word in usable.values() if word.kind == "style"]
    if token not in usable:
        token = styles[0] if styles else ""
    key = "style_choose" if styles else "style_no_style" if usable else "style_none"
    hint = say(language_of(request), key)
    cards = chooser_html(language_of(request), hint, entries, usable, [token])
    return StyleChoice(cards, token, len(usable), len(styles))


def choose_ready_style(studio: Studio, request: gr.Request) -> StyleChoice:
    """Choose the style that comes with the program; raises as :func:`take_ready_words`."""
    words = take_ready_words(studio, request)
    return choose_style(studio, request, next((word.token for word in words if word.kind == "style"), ""))


# --- the picture ------------------------------------------------------------------------------------------


def bind_picture(studio: Studio, frame: Frame, tab: StyleTab) -> None:
    """Remember which half of the tab is open; it is the picture's when a picture is put there."""
    tab.by_subjects.select(lambda: "subjects", None, tab.way, **QUIET)
    tab.by_picture.select(lambda: "picture", None, tab.way, **QUIET)
    frame.style_picture.upload(
        bind(studio, check_picture),
        frame.style_picture,
        frame.style_picture,
        preprocess=False,  # which would open the file, and fail without a reason
        **HIDDEN,
    )
    # Also when another tab sends a picture.
    frame.style_picture.change(
        lambda: {tab.ways: gr.Tabs(selected="picture"), tab.way: "picture"},
        None,
        [tab.ways, tab.way],
        **QUIET,
    )


def check_picture(studio: Studio, request: gr.Request, picture: dict[str, Any]) -> Any:
    """Take an uploaded picture away again if it cannot be read, and say why it cannot."""
    try:
        open_picture(picture["path"])
    except PictureError as error:
        language = language_of(request)
        gr.Warning(html.escape(explain(language, error)), title=say(language, "frame_warning"))
        return None
    return gr.skip()


# --- drawing ----------------------------------------------------------------------------------------------


def bind_drawing(studio: Studio, frame: Frame, tab: StyleTab) -> None:
    results = tab.results
    results.area.draw.click(
        bind(studio, draw, results),
        [
            *(tab.way, tab.chosen, frame.style_subjects, frame.style_picture, tab.strength),
            *tab.controls.inputs,
        ],
        results.outputs,
        **HIDDEN,
    )
    results.area.gallery.select(
        bind_event(studio, compare_picture, results),
        [results.before, results.area.drawn],
        results.comparison,
        trigger_mode="always_last",
        **HIDDEN,
    )


def draw(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    way: Way,
    token: str,
    subjects: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[Updates]:
    """Draw what the open half of the tab asks for, in the style of the word."""
    if token not in all_words(studio.home(request).library):
        raise refusal(language_of(request), "style_no_word")
    if way == "subjects":
        yield from draw_subjects(studio, request, results, token, subjects, *controls)
    else:
        yield from restyle_picture(studio, request, results, token, picture, strength, *controls)


def draw_subjects(
    studio: Studio, request: gr.Request, results: StyleResults, token: str, subjects: str, *controls: Any
) -> Iterator[Updates]:
    """Draw each line of ``subjects`` at every seed."""
    language, known = language_of(request), all_words(studio.home(request).library)
    lines = [line.strip() for line in subjects.splitlines() if line.strip()]
    if not lines:
        raise refusal(language, "style_no_subjects")
    wanted = [read_settings(prompt, *controls) for prompt in style_prompts(token, lines)]
    count = wanted[0].count
    if count * len(wanted) > MAX_PICTURES:
        raise refusal(language, "style_many_pictures", count=count * len(wanted), most=MAX_PICTURES)
    orders = [
        Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt)) for settings in wanted
    ]

    def caption(number: int, drawn: Drawn) -> str:
        return f"{lines[number // count]} · {seed_caption(language, drawn)}"

    columns = count if count > 1 else min(len(lines), GALLERY_COLUMNS)
    drawing = draw_orders(lambda _: orders)
    for updates in show_drawing(studio, request, results.area, drawing, caption, columns):
        yield {**updates, results.before: None, results.comparison: gr.update(visible=False)}


def restyle_picture(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    token: str,
    picture: str | None,
    strength: float,
    *controls: Any,
) -> Iterator[Updates]:
    """Redraw a picture, and set the first result beside it."""
    language, known = language_of(request), all_words(studio.home(request).library)
    if not picture:
        raise refusal(language, "style_no_picture")
    source, _, _ = open_picture(picture, alpha="flatten")
    settings = read_settings(restyle_prompt(token), *controls, strength=strength)
    order = Order(settings, concepts_in(known, settings.prompt, settings.negative_prompt), source)
    before = None
    for updates in show_drawing(studio, request, results.area, draw_orders(lambda _: [order])):
        drawn: Sequence[Drawn] = updates.get(results.area.drawn, ())
        if drawn:
            before = before or fit_source(source, drawn[0].recipe.width, drawn[0].recipe.height)
            updates[results.before] = before
            updates[results.comparison] = side_by_side(before, drawn[0])
        elif before is None:
            updates[results.before] = None
            updates[results.comparison] = gr.update(visible=False)
        yield updates


def compare_picture(
    studio: Studio,
    request: gr.Request,
    results: StyleResults,
    event: gr.EventData,
    before: Image.Image | None,
    drawn: Sequence[Drawn],
) -> Updates:
    return {results.comparison: side_by_side(before, drawn[event.index])} if before else {}


def side_by_side(before: Image.Image, after: Drawn) -> Any:
    return gr.update(value=(before, served(after.path)), visible=True)
