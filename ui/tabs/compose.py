"""The tab where words meet: in one picture, over a grid of their weights, or blended into one word."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from PIL import Image

from ti_core.drawing.settings import GenerationSettings, Order
from ti_core.prompts.composition import COMPOSITION_TEMPLATES, restyle_prompt, weighted_prompt
from ti_core.prompts.grammar import concept_tokens
from ti_core.prompts.names import MAX_NAME_LENGTH
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.arithmetic import blend
from ti_core.words.concept import Concept
from ui.frame import Frame
from ui.parts.controls import DrawingControls, drawing_controls, read_settings
from ui.parts.events import HIDDEN, QUIET, bind
from ui.parts.prompt_box import SCRIPT, all_words, chip, chip_row, concepts_in, for_box, note_html
from ui.parts.prompt_box import make_prompt as make_prompt_box
from ui.parts.results import ResultArea, drawing_events, result_area, show_drawing
from ui.parts.verdicts import Finder
from ui.parts.word_card import (
    cards_html,
    clicked_token,
    place_cards,
    place_offers,
    take_ready_words,
    usable_words,
)
from ui.server.drawing import Drawn, draw_orders
from ui.server.errors import plainly, refusal
from ui.server.people import Home
from ui.server.studio import Studio
from ui.tabs.generate.grid import label_sheet, place_sheet, read_list
from ui.texts import Language, label, language_of, say

FEWEST_WORDS, MOST_WORDS = 2, 4
MOST_WEIGHT = 2.0  # of a slider
MOST_CELLS = 25
GRID_WEIGHTS = "0.5, 1, 1.5"

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """The words that are chosen, things before styles, and what follows from them."""

    cards: str
    usable: int
    """How many words there are to choose from."""
    tokens: Tokens
    weights: tuple[float, ...]
    prompt: str
    name: str
    """Of their blend."""


def make_prompt() -> gr.Textbox:
    return make_prompt_box("compose")


def build(studio: Studio, frame: Frame) -> None:
    prompt, chosen = frame.compose_prompt, gr.State(())
    cards = place_cards("compose")
    teach, ready = place_offers(frame, "compose")
    with gr.Row(visible=False) as panel:
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                weights = [
                    gr.Slider(0, MOST_WEIGHT, 1, step=0.05, visible=False, min_width=240)
                    for _ in range(MOST_WORDS)
                ]
            sentences = gr.HTML(
                visible=False, elem_id="compose-sentences", elem_classes="snug", js_on_load=SCRIPT
            )
            prompt.render()
            note = gr.HTML(elem_id="compose-note", elem_classes=["snug", "if-filled"], js_on_load=SCRIPT)
            area = result_area(studio, "compose")
            remark = gr.HTML(elem_classes=["snug", "if-filled"])
            sheet = place_sheet("compose")
        with gr.Column(scale=2, min_width=300):
            controls = drawing_controls()
            wish = [chosen, prompt, *weights, *controls.inputs]
            down, across = _place_grid(studio, area, sheet, remark, wish)
            share, name = _place_blend(studio, frame, area, remark, chosen, controls)
    drawing_events(studio, area, draw_pictures, wish, [area.draw.click, prompt.submit], [remark])
    area.drawn.change(hide_old, area.drawn, sheet, **QUIET)

    state = [chosen, prompt, name, *weights]
    shown = [cards, teach, panel, *weights, sentences, prompt, down, across, share, name, chosen]

    @plainly
    def on_card(event: gr.EventData, request: gr.Request, *state: Any) -> list[Any]:
        return show_choice(language_of(request), choose(studio, request, clicked_token(event), *state))

    @plainly
    def on_words(request: gr.Request, *state: Any) -> list[Any]:
        choice = choose(studio, request, None, *state)
        return show_choice(language_of(request), choice, written=state[1])

    @plainly
    def on_ready(request: gr.Request, words_changed: int) -> list[Any]:
        choice = choose_ready_words(studio, request)
        return [*show_choice(language_of(request), choice), words_changed + 1]

    cards.select(on_card, state, shown, **QUIET)
    # Queued, for only then is an error shown, and the change of a state noticed.
    ready.click(on_ready, frame.words_changed, [*shown, frame.words_changed], **HIDDEN)
    gr.on([frame.demo.load, frame.words_changed.change], on_words, state, shown, **QUIET)
    prompt.change(bind(studio, take_note), prompt, note, **QUIET)


def _place_grid(
    studio: Studio,
    area: ResultArea,
    sheet: gr.Image,
    remark: gr.HTML,
    wish: Sequence[gr.components.Component],
) -> tuple[gr.Textbox, gr.Textbox]:
    """The weights of the first two words, down and across."""
    with gr.Accordion(label("compose_grid"), open=False, elem_id="compose-grid"):
        gr.Markdown(label("compose_grid_info"))
        with gr.Row():
            down, across = (gr.Textbox(GRID_WEIGHTS, max_length=100, min_width=140) for _ in range(2))
        draw = gr.Button(label("compose_grid_draw"), elem_id="compose-grid-draw")
    drawing_events(studio, area, draw_grid, [down, across, *wish], [draw.click], [sheet, remark])
    return down, across


def _place_blend(
    studio: Studio,
    frame: Frame,
    area: ResultArea,
    remark: gr.HTML,
    chosen: gr.State,
    controls: DrawingControls,
) -> tuple[gr.Slider, gr.Textbox]:
    """How far from the first of two words to the second, and the name of what lies there."""
    with gr.Accordion(label("compose_blend"), open=False, elem_id="compose-blend"):
        gr.Markdown(label("compose_blend_info"))
        share = gr.Slider(0, 1, 0.5, step=0.05)
        name = gr.Textbox("", label=label("compose_name"), info=label("compose_name_info"), max_length=100)
        with gr.Row():
            draw = gr.Button(label("compose_blend_draw"), elem_id="compose-blend-draw", min_width=140)
            keep = gr.Button(label("compose_keep"), elem_id="compose-keep", min_width=140)
    wish = [chosen, share, name, *controls.inputs]
    drawing_events(studio, area, draw_blend, wish, [draw.click], [remark])
    keep.click(
        bind(studio, keep_blend),
        [chosen, share, name, area.drawn, frame.words_changed],
        frame.words_changed,
        show_progress="hidden",
        api_visibility="private",
    )
    return share, name


# --- choosing ---------------------------------------------------------------------------------------------


def choose(
    studio: Studio,
    request: gr.Request,
    token: str | None,
    chosen: Tokens,
    prompt: str,
    name: str,
    *weights: float,
) -> Choice:
    """What is chosen after a click on the card of ``token``, or after the words or the model changed.

    The prompt and the blend's name follow the words as long as the person has not written their own.
    """
    backbone = studio.models.backbone
    entries, _ = studio.home(request).library.entries()
    usable = usable_words(entries, backbone.base if backbone else None)
    asked = [known for known in chosen if known in usable and known != token]
    if token in usable and token not in chosen:
        asked.append(token)
    hint = hint_for(language_of(request), len(usable), len(asked))
    tokens = sorted(asked[:MOST_WORDS], key=lambda known: usable[known].kind == "style")

    before, after = ["", *sentences(chosen)], ["", *sentences(tokens)]
    if prompt.strip() in before:
        prompt = after[min(max(before.index(prompt.strip()), 1), len(after) - 1)]
    if name.strip() in ("", blend_name(chosen)):
        name = blend_name(tokens)
    weight_of = dict(zip(chosen, weights, strict=False))
    return Choice(
        cards_html(language_of(request), hint, entries, usable, tokens),
        len(usable),
        tuple(tokens),
        tuple(weight_of.get(known, 1.0) for known in tokens),
        prompt,
        name,
    )


def choose_ready_words(studio: Studio, request: gr.Request) -> Choice:
    """Two of the words that came with the program, in a sentence; raises as :func:`take_ready_words`."""
    words = take_ready_words(studio, request)[:FEWEST_WORDS]
    return choose(studio, request, None, tuple(word.token for word in words), "", "")


def hint_for(language: Language, usable: int, chosen: int) -> str:
    if usable < FEWEST_WORDS:
        return say(language, "compose_few", count=usable)
    if chosen > MOST_WORDS:
        return say(language, "compose_most", count=MOST_WORDS)
    return say(language, "compose_chosen" if chosen else "compose_choose", count=chosen)


def sentences(tokens: Sequence[str]) -> list[str]:
    """The templates with the words in them: the last in the last place, all others in the first."""
    if len(tokens) < FEWEST_WORDS:
        return []
    *others, last = tokens
    return [template.format(" and ".join(others), last) for template in COMPOSITION_TEMPLATES]


def blend_name(tokens: Sequence[str]) -> str:
    """Such as cat-dog for the first two words, or nothing if there are no two."""
    if len(tokens) < 2:
        return ""
    longest = (MAX_NAME_LENGTH - 1) // 2
    return "-".join(token[1:-1][:longest].strip("-") for token in tokens[:2])


def show_choice(language: Language, choice: Choice, written: str | None = None) -> list[Any]:
    """Updates of the tab, in the order of ``shown`` in :func:`build`.

    A prompt that stays as ``written`` is not sent: the person may be writing on.
    """
    enough = choice.usable >= FEWEST_WORDS
    first, second = (*choice.tokens, "…", "…")[:2]
    sliders = [
        gr.update(value=weight, label=say(language, "compose_weight", token=token), visible=True)
        for token, weight in zip(choice.tokens, choice.weights, strict=True)
    ]
    return [
        choice.cards,
        gr.update(visible=not enough),
        gr.update(visible=enough),
        *sliders,
        *[gr.update(visible=False)] * (MOST_WORDS - len(sliders)),
        gr.update(value=sentences_html(language, choice.tokens), visible=len(choice.tokens) >= FEWEST_WORDS),
        gr.skip() if choice.prompt == written else choice.prompt,
        gr.update(label=say(language, "compose_weights_down", token=first)),
        gr.update(label=say(language, "compose_weights_across", token=second)),
        gr.update(label=say(language, "compose_share", first=first, second=second)),
        choice.name,
        choice.tokens,
    ]


def sentences_html(language: Language, tokens: Sequence[str]) -> str:
    """A button for each template, which writes it into the prompt."""
    buttons = "".join(chip(sentence, prompt=sentence) for sentence in sentences(tokens))
    return for_box("compose-prompt", chip_row(buttons, say(language, "compose_sentences")))


def take_note(studio: Studio, request: gr.Request, prompt: str) -> str:
    """What is wrong with the prompt, else its length."""
    return for_box("compose-prompt", note_html(studio, request, prompt))


# --- drawing ----------------------------------------------------------------------------------------------


def draw_pictures(
    studio: Studio, request: gr.Request, chosen: Tokens, prompt: str, *values: Any
) -> Iterator[list[Any]]:
    """Draw the words together; ``values`` are their weights, then the drawing controls."""
    settings = read_settings(prompt, *values[MOST_WORDS:])
    weights = weights_of(settings.prompt, chosen, values[:MOST_WORDS])
    language, home = language_of(request), studio.home(request)
    words = words_for(home, settings, weights)
    order = compose_order(settings, words, weights)
    finder = Finder(language, home, [word for word in words if word.token in weights])
    for update in show_drawing(studio, request, draw_orders(lambda _: [order]), finder.caption):
        yield [*update, finder.remark_html]


def draw_grid(
    studio: Studio,
    request: gr.Request,
    down: str,
    across: str,
    chosen: Tokens,
    prompt: str,
    *values: Any,
) -> Iterator[list[Any]]:
    """Draw a picture for each pair of weights of the first two words; at the end one of all, with labels."""
    language, home = language_of(request), studio.home(request)
    settings = replace(read_settings(prompt, *values[MOST_WORDS:]), count=1)
    weights = weights_of(settings.prompt, chosen, values[:MOST_WORDS])
    words = words_for(home, settings, weights)
    rows, columns = read_weights(language, down), read_weights(language, across)
    if len(rows) * len(columns) > MOST_CELLS:
        raise refusal(language, "compose_grid_large", count=len(rows) * len(columns), most=MOST_CELLS)
    first, second = (*weights, "", "")[:2]
    orders = [
        compose_order(settings, words, {**weights, first: row, second: column})
        for row in rows
        for column in columns
    ]

    finder = Finder(language, home, [word for word in words if word.token in weights])

    def caption(number: int, drawn: Drawn) -> str:
        row, column = divmod(number, len(columns))
        return " · ".join([f"{rows[row]:g}", f"{columns[column]:g}", *finder.marks(drawn)])

    drawn: Sequence[Drawn] = ()
    for update in show_drawing(studio, request, draw_orders(lambda _: orders), caption, len(columns)):
        drawn = update[2] if isinstance(update[2], tuple) else drawn
        yield [*update, gr.skip(), finder.remark_html]
    if drawn:
        names = [f"{second} {weight:g}" for weight in columns], [f"{first} {weight:g}" for weight in rows]
        sheet = label_sheet(*names, [_image_of(picture) for picture in drawn])
        yield [*update, gr.update(value=sheet, visible=True), finder.remark_html]


def draw_blend(
    studio: Studio, request: gr.Request, chosen: Tokens, share: float, name: str, *controls: Any
) -> Iterator[list[Any]]:
    """Draw the word that lies between the two chosen ones; the marks of an earlier drawing go."""
    home = studio.home(request)
    blended = blend_of(home, language_of(request), chosen, share, name)
    if blended.kind == "style":
        prompt = restyle_prompt(blended.token)
    else:
        prompt = fill_template(PLAIN_TEMPLATES["object"], blended.token)
    settings = read_settings(prompt, *controls)
    order = Order(settings, (blended, *concepts_in(all_words(home.library), settings.negative_prompt)))
    for update in show_drawing(studio, request, draw_orders(lambda _: [order])):
        yield [*update, ""]


def keep_blend(
    studio: Studio,
    request: gr.Request,
    chosen: Tokens,
    share: float,
    name: str,
    drawn: Sequence[Drawn],
    words_changed: int,
) -> int:
    """Add the blend to the person's words, with the pictures that were just drawn of it."""
    language, home = language_of(request), studio.home(request)
    blended = blend_of(home, language, chosen, share, name)
    pictures = [
        _image_of(picture)
        for picture in drawn
        if not picture.hidden and any(use.sha256 == blended.sha256 for use in picture.recipe.concepts)
    ]
    home.library.add(blended, pictures)
    text = say(language, "compose_kept", token=blended.token)
    gr.Info(html.escape(text), title=say(language, "frame_info"))
    return words_changed + 1


def weights_of(prompt: str, chosen: Tokens, weights: Sequence[float]) -> dict[str, float]:
    """The weight of each chosen word, and 1 for each that the prompt mentions besides."""
    tokens = dict.fromkeys([*chosen, *concept_tokens(prompt)], 1.0)
    return tokens | dict(zip(chosen, weights, strict=False))


def hide_old(drawn: Sequence[Drawn]) -> Any:
    """Once a new drawing has emptied the gallery, the grid before goes, too."""
    return gr.skip() if drawn else gr.update(visible=False)


def words_for(home: Home, settings: GenerationSettings, weights: Mapping[str, float]) -> list[Concept]:
    """The words that have a weight, and those of the negative prompt.

    Raises :class:`UnknownTokenError` for a token in a prompt that is not one of the person's words.
    """
    known = all_words(home.library)
    mentioned = concepts_in(known, settings.prompt, settings.negative_prompt)
    tokens = dict.fromkeys([*weights, *(word.token for word in mentioned)])
    return [known[token] for token in tokens if token in known]


def compose_order(
    settings: GenerationSettings, words: Sequence[Concept], weights: Mapping[str, float]
) -> Order:
    """The settings with the weights written into the prompt; raises as :func:`weighted_prompt`."""
    composed = [word.token for word in words if word.token in weights]
    prompt = weighted_prompt(settings.prompt, composed, [weights[token] for token in composed])
    return Order(replace(settings, prompt=prompt), tuple(words))


def read_weights(language: Language, text: str) -> tuple[float, ...]:
    """The numbers between commas. Raises ``gr.Error`` if there are none, or something else."""
    try:
        weights = read_list(text, float)
    except ValueError as error:
        raise refusal(language, "compose_bad_weights") from error
    if not weights:
        raise refusal(language, "compose_bad_weights")
    return weights


def blend_of(home: Home, language: Language, chosen: Tokens, share: float, name: str) -> Concept:
    """The word on the way from the first chosen one to the second. Raises as :func:`blend`."""
    if len(chosen) != 2:
        raise refusal(language, "compose_blend_two")
    first, second = (home.library.find(token).concept for token in chosen)
    return blend(first, second, share, name)


def _image_of(drawn: Drawn) -> Image.Image:
    with Image.open(drawn.path) as image:
        return image.convert("RGB")
