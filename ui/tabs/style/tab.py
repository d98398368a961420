"""The components of the Style tab and their events."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.errors import PictureError
from ti_core.pictures.decode import open_picture
from ti_core.prompts.composition import RESTYLE_STRENGTH
from ti_core.resources import ASSETS
from ui.frame import Frame
from ui.parts.controls import DrawingControls, place_controls
from ui.parts.events import HIDDEN, QUIET, Updates, bind, bind_event
from ui.parts.prompt_box import CHIPS_SCRIPT, chip, chip_row, chips_for
from ui.parts.results import place_results
from ui.parts.word_card import clicked_word
from ui.parts.word_chooser import WordChooser, place_chooser
from ui.server.studio import Studio
from ui.server.words import MAX_PROMPT_LENGTH
from ui.tabs.style.choice import StyleChoice, choose_ready_style, choose_style
from ui.tabs.style.drawing import StyleResults, compare_picture, draw
from ui.texts import explain, label, language_of, say

MIN_RESTYLE_STRENGTH = 0.05
EXAMPLE_SUBJECTS = (
    ("a house", "a cat", "a mug"),
    ("a tree in the snow", "a boat at night", "a car on the beach"),
)
EXAMPLE_PICTURES = ("cat", "teapot", "monster")


@dataclass(frozen=True)
class StyleTab:
    """The tab's components.

    ``panel`` is hidden while there is no word; ``way`` is the open half, ``by_subjects`` or ``by_picture``.
    """

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
        image_mode=None,  # the original file, which the core reads
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
        MIN_RESTYLE_STRENGTH,
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
    """Render a button for each list of subjects, which writes it into the box."""
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
    # Queued: otherwise Gradio neither shows an error nor notices a change of state.
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


# --- the picture ------------------------------------------------------------------------------------------


def bind_picture(studio: Studio, frame: Frame, tab: StyleTab) -> None:
    """Remember which half of the tab is open; adding a picture opens the picture half."""
    tab.by_subjects.select(lambda: "subjects", None, tab.way, **QUIET)
    tab.by_picture.select(lambda: "picture", None, tab.way, **QUIET)
    frame.style_picture.upload(
        bind(studio, check_picture),
        frame.style_picture,
        frame.style_picture,
        preprocess=False,  # preprocessing would open the file, and fail without giving a reason
        **HIDDEN,
    )
    # Occurs also when another tab sends a picture.
    frame.style_picture.change(
        lambda: {tab.ways: gr.Tabs(selected="picture"), tab.way: "picture"},
        None,
        [tab.ways, tab.way],
        **QUIET,
    )


def check_picture(studio: Studio, request: gr.Request, picture: dict[str, Any]) -> Any:
    """Remove an uploaded picture if it cannot be read, and say why."""
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
