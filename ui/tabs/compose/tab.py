"""The components of the Compose tab and their events."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from ui.frame import Frame
from ui.parts.contact_sheet import place_contact_sheet
from ui.parts.controls import DrawingControls, place_controls
from ui.parts.events import HIDDEN, QUIET, Updates, bind, bind_event
from ui.parts.prompt_box import CHIPS_SCRIPT, place_note
from ui.parts.results import hide_with_old_pictures, place_results
from ui.parts.word_card import clicked_word
from ui.parts.word_chooser import WordChooser, place_chooser
from ui.server.studio import Studio
from ui.tabs.compose.choice import (
    MAX_COMPOSED,
    MIN_COMPOSED,
    ComposeChoice,
    Tokens,
    choose_ready_words,
    choose_words,
    sentences_html,
)
from ui.tabs.compose.drawing import ComposeResults, draw_blend, draw_grid, draw_pictures, keep_blend
from ui.texts import Language, label, language_of, say

MAX_SLIDER_WEIGHT = 2.0
GRID_WEIGHTS = "0.5, 1, 1.5"


@dataclass(frozen=True)
class WeightGrid:
    """The weights of the first two words, by row and by column, and the button that draws the grid."""

    down: gr.Textbox
    across: gr.Textbox
    draw: gr.Button


@dataclass(frozen=True)
class BlendControls:
    """The controls of a blend: its position between two words, its name, and its buttons."""

    share: gr.Slider
    name: gr.Textbox
    draw: gr.Button
    keep: gr.Button


@dataclass(frozen=True)
class ComposeTab:
    """The tab's components.

    ``panel`` is hidden while there are too few words; ``weights`` has one slider per word that may be chosen.
    """

    chooser: WordChooser
    chosen: gr.State
    panel: gr.Row
    weights: tuple[gr.Slider, ...]
    sentences: gr.HTML
    prompt: gr.Textbox
    results: ComposeResults
    controls: DrawingControls
    grid: WeightGrid
    blend: BlendControls

    @property
    def choice_inputs(self) -> list[gr.components.Component]:
        """The components that hold the choice before a change, as :func:`choose_words` takes it."""
        return [self.chosen, self.prompt, self.blend.name, *self.weights]

    @property
    def choice_outputs(self) -> list[Block]:
        """The components that :func:`show_choice` updates."""
        return [
            *(self.chooser.cards, self.chooser.teach, self.panel, *self.weights, self.sentences, self.prompt),
            *(self.grid.down, self.grid.across, self.blend.share, self.blend.name, self.chosen),
        ]

    @property
    def drawing_inputs(self) -> list[gr.components.Component]:
        """The inputs of a drawing, as :func:`draw_pictures` takes them."""
        return [self.chosen, self.prompt, *self.weights, *self.controls.inputs]


def build(studio: Studio, frame: Frame) -> None:
    tab = place_tab(studio, frame)
    bind_choice(studio, frame, tab)
    bind_drawing(studio, tab)
    bind_blend(studio, frame, tab)


# --- the components ---------------------------------------------------------------------------------------


def place_tab(studio: Studio, frame: Frame) -> ComposeTab:
    prompt, chosen = frame.compose_prompt, gr.State(())
    chooser = place_chooser(frame, "compose")
    with gr.Row(visible=False) as panel:
        with gr.Column(scale=3, min_width=320):
            weights = _place_weights()
            sentences = gr.HTML(
                visible=False, elem_id="compose-sentences", elem_classes="snug", js_on_load=CHIPS_SCRIPT
            )
            prompt.render()
            place_note(studio, frame, "compose", prompt)
            area = place_results(studio, "compose")
            marks = gr.HTML(elem_classes=["snug", "if-filled"])
            results = ComposeResults(area, marks, place_contact_sheet("compose"))
        with gr.Column(scale=2, min_width=300):
            controls = place_controls()
            grid = _place_grid()
            blend = _place_blend()
    return ComposeTab(chooser, chosen, panel, weights, sentences, prompt, results, controls, grid, blend)


def _place_weights() -> tuple[gr.Slider, ...]:
    with gr.Row():
        return tuple(
            gr.Slider(0, MAX_SLIDER_WEIGHT, 1, step=0.05, visible=False, min_width=240)
            for _ in range(MAX_COMPOSED)
        )


def _place_grid() -> WeightGrid:
    with gr.Accordion(label("compose_grid"), open=False, elem_id="compose-grid"):
        gr.Markdown(label("compose_grid_info"))
        with gr.Row():
            down, across = (gr.Textbox(GRID_WEIGHTS, max_length=100, min_width=140) for _ in range(2))
        draw = gr.Button(label("compose_grid_draw"), elem_id="compose-grid-draw")
    return WeightGrid(down, across, draw)


def _place_blend() -> BlendControls:
    with gr.Accordion(label("compose_blend"), open=False, elem_id="compose-blend"):
        gr.Markdown(label("compose_blend_info"))
        share = gr.Slider(0, 1, 0.5, step=0.05)
        name = gr.Textbox("", label=label("compose_name"), info=label("compose_name_info"), max_length=100)
        with gr.Row():
            draw = gr.Button(label("compose_blend_draw"), elem_id="compose-blend-draw", min_width=140)
            keep = gr.Button(label("compose_keep"), elem_id="compose-keep", min_width=140)
    return BlendControls(share, name, draw, keep)


# --- choosing ---------------------------------------------------------------------------------------------


def bind_choice(studio: Studio, frame: Frame, tab: ComposeTab) -> None:
    inputs, outputs = tab.choice_inputs, tab.choice_outputs
    tab.chooser.cards.select(bind_event(studio, choose_card, tab), inputs, outputs, **QUIET)
    gr.on(
        [frame.demo.load, frame.words_changed.change],
        bind(studio, follow_words, tab),
        inputs,
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


def choose_card(
    studio: Studio,
    request: gr.Request,
    tab: ComposeTab,
    event: gr.EventData,
    chosen: Tokens,
    prompt: str,
    name: str,
    *weights: float,
) -> Updates:
    choice = choose_words(studio, request, clicked_word(event), chosen, prompt, name, *weights)
    return show_choice(language_of(request), tab, choice)


def follow_words(
    studio: Studio,
    request: gr.Request,
    tab: ComposeTab,
    chosen: Tokens,
    prompt: str,
    name: str,
    *weights: float,
) -> Updates:
    """Show the words as they are now. An unchanged prompt is not sent: the visitor may be typing in it."""
    choice = choose_words(studio, request, None, chosen, prompt, name, *weights)
    updates = show_choice(language_of(request), tab, choice)
    if choice.prompt == prompt:
        del updates[tab.prompt]
    return updates


def take_ready(
    studio: Studio, request: gr.Request, tab: ComposeTab, frame: Frame, words_changed: int
) -> Updates:
    updates = show_choice(language_of(request), tab, choose_ready_words(studio, request))
    return {**updates, frame.words_changed: words_changed + 1}


def show_choice(language: Language, tab: ComposeTab, choice: ComposeChoice) -> Updates:
    is_enough = choice.usable >= MIN_COMPOSED
    first, second = (*choice.tokens, "…", "…")[:2]
    return {
        tab.chooser.cards: choice.cards,
        tab.chooser.teach: gr.update(visible=not is_enough),
        tab.panel: gr.update(visible=is_enough),
        tab.chosen: choice.tokens,
        **show_weights(language, tab, choice),
        tab.sentences: gr.update(
            value=sentences_html(language, choice.tokens), visible=len(choice.tokens) >= MIN_COMPOSED
        ),
        tab.prompt: choice.prompt,
        tab.grid.down: gr.update(label=say(language, "compose_weights_down", token=first)),
        tab.grid.across: gr.update(label=say(language, "compose_weights_across", token=second)),
        tab.blend.share: gr.update(label=say(language, "compose_share", first=first, second=second)),
        tab.blend.name: choice.blend_name,
    }


def show_weights(language: Language, tab: ComposeTab, choice: ComposeChoice) -> Updates:
    """Show a slider for each chosen word, and hide the others."""
    updates: Updates = {slider: gr.update(visible=False) for slider in tab.weights}
    for slider, token, weight in zip(tab.weights, choice.tokens, choice.weights, strict=False):
        updates[slider] = gr.update(
            value=weight, label=say(language, "compose_weight", token=token), visible=True
        )
    return updates


# --- drawing ----------------------------------------------------------------------------------------------


def bind_drawing(studio: Studio, tab: ComposeTab) -> None:
    results = tab.results
    gr.on(
        [results.area.draw.click, tab.prompt.submit],
        bind(studio, draw_pictures, results),
        tab.drawing_inputs,
        results.outputs,
        **HIDDEN,
    )
    tab.grid.draw.click(
        bind(studio, draw_grid, results),
        [tab.grid.down, tab.grid.across, *tab.drawing_inputs],
        results.outputs,
        **HIDDEN,
    )
    hide_with_old_pictures(studio, results.area, results.sheet)


def bind_blend(studio: Studio, frame: Frame, tab: ComposeTab) -> None:
    results, blended = tab.results, [tab.chosen, tab.blend.share, tab.blend.name]
    tab.blend.draw.click(
        bind(studio, draw_blend, results), [*blended, *tab.controls.inputs], results.outputs, **HIDDEN
    )
    tab.blend.keep.click(
        bind(studio, keep_blend),
        [*blended, results.area.drawn, frame.words_changed],
        frame.words_changed,
        **HIDDEN,
    )
