"""The form for a new word: its pictures, its name, and how it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from ti_core.config import KINDS, TrainingConfig
from ti_core.prompts.checks import check_length
from ti_core.prompts.templates import Kind
from ti_core.resources import ASSETS
from ti_core.training.initial_word import candidate_words
from ti_core.training.preparation import prepare
from ti_core.training.runs import Run
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, bind, outlast_reload
from ui.server.drawing import POLL_SECONDS
from ui.server.errors import plainly, refusal
from ui.server.studio import Limits, Studio
from ui.server.words import MAX_PROMPT_LENGTH
from ui.tabs.train.pictures import (
    EXAMPLES,
    Desk,
    Framing,
    add_pictures,
    caption_picture,
    desk_html,
    example_desk,
    find_desk,
    framing_html,
    note_desk,
    prepared_pictures,
    reframe_picture,
    remove_picture,
    select_picture,
)
from ui.tabs.train.runs import ready_model, start_run, tokens_in_training
from ui.tabs.train.settings import (
    DEFAULT_PRESET,
    FIELDS,
    OWN,
    PRESET_FIELDS,
    PRESETS,
    UNNAMED,
    Control,
    config_controls,
    line_html,
    name_html,
    preset_choices,
    preset_of,
    read_config,
    time_html,
)
from ui.texts import Language, label, language_of, say

TIGHT = "train-html"  # without a frame's padding, and gone while empty
MOST_ZOOM = 4
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
# Each change of a desk begins with what the last one left; Gradio has one such line for all visitors.
IN_TURN: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "desk"}
# Buttons in the cards name the card and the act; a picture on the clipboard goes the way of an upload.
CARDS_JS = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-act]');
  if (button) trigger('select', {act: button.dataset.act, card: button.dataset.card});
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
# The pressed button may be gone: go to the editor if it is open, else to the first card.
FOCUS_JS = """
() => requestAnimationFrame(() => {
  const next = document.querySelector('#train-editor input') || document.querySelector('#train-cards button');
  if (next) next.focus();
  return [];
})
"""


@dataclass(frozen=True, eq=False)
class SetAside:
    """A visitor's own pictures while an example's are on the desk, with the name and kind given them."""

    desk: Desk = Desk()
    token: str = ""
    kind: Kind = "object"


@dataclass(frozen=True)
class Form:
    """The components of the form. ``settings`` in the order of :data:`FIELDS`."""

    column: gr.Column
    desk: gr.State
    desk_name: gr.Textbox  # the browser's, for Gradio forgets the state some time after a broken connection
    examples: dict[str, gr.Button]
    set_aside: gr.State
    put_back: gr.Button
    upload: gr.File
    cards: gr.HTML
    editor: gr.Column
    card: gr.Textbox
    framing: gr.HTML
    zoom: gr.Slider
    across: gr.Slider
    down: gr.Slider
    caption: gr.Textbox
    close: gr.Button
    name_line: gr.HTML
    use_free: gr.Button
    suggest: gr.Button
    word_line: gr.HTML
    preset: gr.Radio
    settings: list[Control]
    time: gr.HTML
    start: gr.Button

    @property
    def desk_inputs(self) -> list[gr.blocks.Block]:
        """What :func:`known_desk` takes."""
        return [self.desk, self.desk_name]

    @property
    def begun_inputs(self) -> list[gr.blocks.Block]:
        """What :func:`begun_desk` takes."""
        return [*self.desk_inputs, self.card, self.caption]

    @property
    def desk_parts(self) -> list[gr.blocks.Block]:
        """In the order of :func:`show_desk`."""
        return [self.desk, self.desk_name, self.cards, self.editor, self.framing]

    def setting(self, field: str) -> Any:
        return self.settings[FIELDS.index(field)]


def build_form() -> Form:
    """Place the form."""
    desk, desk_name = gr.State(Desk()), gr.Textbox(visible="hidden")
    controls: dict[str, Control] = {}
    with gr.Column(elem_id="train-form") as column:
        gr.Markdown(label("train_examples"), elem_classes="train-label")
        with gr.Row(equal_height=True, elem_classes="train-examples"):
            examples = {
                name: gr.Button(
                    label(f"train_example_{name}"),
                    icon=str(ASSETS / "examples" / name / "0.png"),
                    size="sm",
                    min_width=120,
                )
                for name in EXAMPLES
            }
            set_aside = gr.State(SetAside())
            put_back = gr.Button(label("train_put_back"), size="sm", min_width=120, visible=False)
        upload = gr.File(
            label=label("train_upload"), file_count="multiple", height=140, elem_id="train-upload"
        )
        cards = gr.HTML(js_on_load=CARDS_JS, elem_id="train-cards", elem_classes=TIGHT)
        with gr.Column(visible=False, variant="panel", elem_id="train-editor") as editor:
            card = gr.Textbox(visible="hidden")
            framing = gr.HTML(elem_classes=TIGHT)
            with gr.Row():
                zoom = gr.Slider(1, MOST_ZOOM, 1, step=0.05, label=label("train_zoom"), min_width=160)
                across = gr.Slider(0, 1, 0.5, step=0.01, label=label("train_across"), min_width=160)
                down = gr.Slider(0, 1, 0.5, step=0.01, label=label("train_down"), min_width=160)
            caption = gr.Textbox(label=label("train_caption"), info=label("train_caption_info"), max_lines=1)
            close = gr.Button(label("train_editor_close"), size="sm")
        with gr.Row():
            with gr.Column(min_width=240, elem_classes="train-cell"):
                controls["token"] = gr.Textbox(
                    label=label("train_token"),
                    info=label("train_token_info"),
                    placeholder="our-cat",
                    max_lines=1,
                )
                name_line = gr.HTML(elem_classes=TIGHT)
                use_free = gr.Button(visible=False, size="sm")
            with gr.Column(min_width=240, elem_classes="train-cell"):
                controls["kind"] = gr.Radio(
                    [(label(f"train_kind_{kind}"), kind) for kind in KINDS],
                    value="object",
                    label=label("train_kind"),
                    info=label("train_kind_info"),
                )
            with gr.Column(min_width=240, elem_classes="train-cell"):
                controls["initializer"] = gr.Textbox(
                    "auto",
                    label=label("train_initializer"),
                    info=label("train_initializer_info"),
                    max_lines=1,
                )
                suggest = gr.Button(label("train_suggest"), size="sm")
                word_line = gr.HTML(elem_classes=TIGHT)
        preset = gr.Radio(
            [(label(f"train_preset_{name}"), name) for name in PRESETS],
            value=DEFAULT_PRESET,
            label=label("train_preset"),
            info=label("train_preset_info"),
        )
        with gr.Accordion(label("train_settings"), open=False):
            controls |= config_controls()
        time = gr.HTML(elem_classes=TIGHT)
        start = gr.Button(label("train_start"), variant="primary", elem_id="train-start")
    return Form(
        column=column,
        desk=desk,
        desk_name=desk_name,
        examples=examples,
        set_aside=set_aside,
        put_back=put_back,
        upload=upload,
        cards=cards,
        editor=editor,
        card=card,
        framing=framing,
        zoom=zoom,
        across=across,
        down=down,
        caption=caption,
        close=close,
        name_line=name_line,
        use_free=use_free,
        suggest=suggest,
        word_line=word_line,
        preset=preset,
        settings=[controls[field] for field in FIELDS],
        time=time,
        start=start,
    )


def bind_form(studio: Studio, frame: Frame, form: Form) -> None:
    """Let the form answer; starting is :mod:`ui.tabs.train.job`'s."""
    _bind_pictures(studio, form)
    _bind_examples(studio, form)
    _bind_settings(studio, frame, form)
    begun = [form.setting("token"), form.setting("kind"), form.setting("initializer"), form.desk_name]
    outlast_reload(frame, "train", begun).then(
        bind(studio, bring_back), form.desk_name, form.desk_parts, **HIDDEN
    )


def begin_training(studio: Studio, request: gr.Request, desk: Desk, *values: Any) -> Run:
    """Start to learn a word as the form says.

    Raises :class:`gr.Error` for no pictures, a token that is taken or a model that is not ready yet,
    :class:`PromptError` for an endless caption, and otherwise as :func:`read_config`, :func:`check_limits`,
    :func:`prepared_pictures` and :func:`start_run`.
    """
    language, config = language_of(request), read_config(values)
    if not desk.cards:
        raise refusal(language, "train_no_pictures")
    for text in (config.initializer, *(card.caption for card in desk.cards)):
        check_length(text, MAX_PROMPT_LENGTH)
    if studio.homes.shared:
        check_limits(language, studio.limits, config)
    free = studio.home(request).library.free_token(config.token)
    if free != config.token:
        raise refusal(language, "train_name_taken_start", token=config.token, free=free)
    if config.token in tokens_in_training(studio, studio.home(request)):
        raise refusal(language, "train_name_in_training", token=config.token)
    backbone = ready_model(studio, language)
    return start_run(studio, request, config, prepared_pictures(desk, backbone.resolution))


def check_limits(language: Language, limits: Limits, config: TrainingConfig) -> None:
    """Raises :class:`gr.Error` for a training that would hold the device of a shared server for too long."""
    step_rows = config.batch_size * config.gradient_accumulation
    for key, value, most in (
        ("train_steps", config.steps, limits.steps),
        ("train_step_rows", step_rows, limits.step_rows),
        ("train_eval_rows", config.eval_rows, limits.eval_rows),
        ("train_vectors", config.vectors, limits.vectors),
    ):
        if value > most:
            setting = say(language, key)
            raise refusal(language, "train_over_limit", setting=setting, value=value, most=most)


def suggest_word(
    studio: Studio, request: gr.Request, desk: Desk, kind: Kind, seed: int
) -> Iterator[tuple[str | None, str]]:
    """Ask the model itself which known word fits the pictures; yields the word, None until then, and a line.

    Raises :class:`~ui.server.device_queue.QueueFull`, and as :func:`begin_training`.
    """
    language = language_of(request)
    if not desk.cards:
        raise refusal(language, "train_no_pictures")
    backbone = ready_model(studio, language)
    config = TrainingConfig(UNNAMED, kind=kind, seed=seed)
    pictures = [replace(picture, caption=None) for picture in prepared_pictures(desk, backbone.resolution)]
    with studio.device.enter() as ticket:
        while not ticket.wait(POLL_SECONDS):
            yield None, line_html(say(language, "drawing_waiting", place=ticket.position))
        count = len(candidate_words(backbone, kind))
        yield None, line_html(say(language, "train_suggesting", count=count))
        if studio.gpu is None:
            word = prepare(backbone, pictures, config).initializer
        else:
            word = studio.gpu.choose(studio.models.load_options(backbone), pictures, config)
    yield word, line_html(say(language, "train_suggested", word=word))


# --- what happens on the desk; most give updates of the form's desk_parts -----------------------------------


def known_desk(studio: Studio, request: gr.Request, desk: Desk, name: str) -> Desk:
    """The page's desk; where Gradio has forgotten it, as it was noted last."""
    return desk if desk.cards or not name else find_desk(studio, request, name)


def begun_desk(studio: Studio, request: gr.Request, desk: Desk, name: str, card: str, caption: str) -> Desk:
    """The page's desk with the description of the open ``card`` to its last letter."""
    return caption_picture(known_desk(studio, request, desk, name), card, caption)


def add_to_desk(studio: Studio, request: gr.Request, desk: Desk, files: list[str] | None) -> list[Any]:
    return show_desk(request, add_pictures(studio, request, desk, files or []))


def close_editor(studio: Studio, request: gr.Request, desk: Desk) -> list[Any]:
    return show_desk(request, select_picture(desk, None))


def reframe(studio: Studio, request: gr.Request, desk: Desk, card: str, *framing: float) -> list[Any]:
    return show_desk(request, reframe_picture(studio, desk, card, Framing(*framing)))


def bring_back(studio: Studio, request: gr.Request, name: str) -> list[Any]:
    """The desk that the page had before it was loaded again."""
    return show_desk(request, find_desk(studio, request, name)) if name else [gr.skip()] * 5


def show_desk(request: gr.Request, desk: Desk) -> list[Any]:
    """Show a desk, and note it for :func:`bring_back`."""
    note_desk(desk)
    language, card = language_of(request), desk.card
    framing = framing_html(language, card) if card else ""
    return [desk, desk.name, desk_html(language, desk), gr.Column(visible=card is not None), framing]


def describe(studio: Studio, request: gr.Request, desk: Desk, card: str, caption: str) -> Desk:
    """Only the desk: a letter does not change how the page looks."""
    desk = caption_picture(desk, card, caption)
    note_desk(desk)
    return desk


def _bind_pictures(studio: Studio, form: Form) -> None:
    desk_inputs, desk_parts = form.desk_inputs, form.desk_parts
    editor_parts = [form.card, form.zoom, form.across, form.down, form.caption]

    def on_desk(change: Callable[..., Any]) -> Callable[..., Any]:
        def handler(studio: Studio, request: gr.Request, desk: Desk, name: str, *values: Any) -> Any:
            return change(studio, request, known_desk(studio, request, desk, name), *values)

        return bind(studio, handler)

    @plainly
    def act(request: gr.Request, event: gr.EventData, desk: Desk, name: str) -> list[Any]:
        """The buttons of the cards."""
        change = remove_picture if event._data["act"] == "remove" else select_picture
        desk = change(known_desk(studio, request, desk, name), event._data["card"])
        card = desk.card
        values = [gr.skip()] * 5
        if card is not None:
            framing = card.framing
            values = [card.id, framing.zoom, framing.across, framing.down, card.caption]
        return [*show_desk(request, desk), *values]

    form.upload.upload(
        on_desk(add_to_desk), [*desk_inputs, form.upload], desk_parts, **PRIVATE, **IN_TURN
    ).then(lambda: None, None, form.upload, queue=False, **PRIVATE)
    form.cards.select(act, desk_inputs, [*desk_parts, *editor_parts], **HIDDEN, **IN_TURN).then(
        None, js=FOCUS_JS, **HIDDEN
    )
    form.close.click(on_desk(close_editor), desk_inputs, desk_parts, **HIDDEN, **IN_TURN)
    gr.on(
        [form.zoom.input, form.across.input, form.down.input],
        on_desk(reframe),
        [*desk_inputs, form.card, form.zoom, form.across, form.down],
        desk_parts,
        trigger_mode="always_last",
        **HIDDEN,
        **IN_TURN,
    )
    form.caption.input(
        on_desk(describe),
        [*desk_inputs, form.card, form.caption],
        form.desk,
        trigger_mode="always_last",
        **HIDDEN,
        **IN_TURN,
    )


def show_example(
    studio: Studio,
    request: gr.Request,
    aside: SetAside,
    desk: Desk,
    name: str,
    token: str,
    kind: Kind,
    *,
    of: str,
) -> list[Any]:
    """An example's pictures, name and kind; the visitor's own are set aside."""
    own = SetAside(known_desk(studio, request, desk, name), token, kind)
    free = studio.home(request).library.free_token(f"our-{of}")
    return _change_desk(
        request, own, aside, SetAside(example_desk(studio, request, of), free[1:-1], EXAMPLES[of])
    )


def put_back(
    studio: Studio, request: gr.Request, aside: SetAside, desk: Desk, name: str, token: str, kind: Kind
) -> list[Any]:
    """The visitor's own pictures as they were set aside, in exchange for what has become his own since."""
    return _change_desk(
        request, SetAside(known_desk(studio, request, desk, name), token, kind), SetAside(), aside
    )


def _change_desk(request: gr.Request, before: SetAside, aside: SetAside, after: SetAside) -> list[Any]:
    """Show ``after``; unless it is an example, what was there ``before`` is set aside, not ``aside``."""
    if before.desk.cards and not before.desk.is_example:
        aside = replace(before, desk=select_picture(before.desk, None))
    button = gr.Button(visible=bool(aside.desk.cards))
    return [aside, button, after.token, after.kind, *show_desk(request, after.desk)]


def _bind_examples(studio: Studio, form: Form) -> None:
    named = [form.setting("token"), form.setting("kind")]
    inputs = [form.set_aside, *form.desk_inputs, *named]
    parts = [form.set_aside, form.put_back, *named, *form.desk_parts]
    for example, button in form.examples.items():
        show = bind(studio, partial(show_example, of=example))
        button.click(show, inputs, parts, **PRIVATE, **IN_TURN)
    form.put_back.click(bind(studio, put_back), inputs, parts, **PRIVATE, **IN_TURN)


# --- the name, the initial word, the time -----------------------------------------------------------------


def tell_name(studio: Studio, request: gr.Request, name: str) -> list[Any]:
    """What the name becomes, and a button that takes the free one in place of a taken one."""
    language = language_of(request)
    line, free = name_html(studio.home(request), language, name)
    text = say(language, "train_use_free", token=free) if free else ""
    return [line, gr.Button(text, visible=free is not None)]


def take_free_name(studio: Studio, request: gr.Request, name: str) -> str:
    return studio.home(request).library.free_token(name)[1:-1]


def fill_in_word(
    studio: Studio, request: gr.Request, desk: Desk, name: str, *asked: Any
) -> Iterator[list[Any]]:
    try:
        for word, line in suggest_word(studio, request, known_desk(studio, request, desk, name), *asked):
            yield [gr.skip() if word is None else word, line]
    except Exception:
        yield [gr.skip(), ""]
        raise


def tell_times(studio: Studio, request: gr.Request, told: Any, desk: Desk, *values: Any) -> list[Any]:
    """The presets and the settings as they are, with their times; nothing if that was ``told`` already."""
    language, count = language_of(request), len(desk.cards)
    preset, choices = preset_of(values), preset_choices(studio, language, count, values)
    time = time_html(studio, language, count, values)
    if (preset, choices, time) == told:
        return [gr.skip()] * 3
    return [(preset, choices, time), gr.Radio(choices=choices, value=preset), time]


def apply_preset(name: str) -> list[Any]:
    """What the preset sets, in the order of :data:`PRESET_FIELDS`; nothing for settings of one's own."""
    if name == OWN:
        return [gr.skip()] * len(PRESET_FIELDS)
    return [PRESETS[name][field] for field in PRESET_FIELDS]


def _bind_settings(studio: Studio, frame: Frame, form: Form) -> None:
    name = form.setting("token")
    gr.on(
        [name.change, frame.words_changed.change],
        bind(studio, tell_name),
        name,
        [form.name_line, form.use_free],
        trigger_mode="always_last",
        **HIDDEN,
    )
    form.use_free.click(bind(studio, take_free_name), name, name, **HIDDEN)
    form.suggest.click(
        bind(studio, fill_in_word),
        [*form.desk_inputs, form.setting("kind"), form.setting("seed")],
        [form.setting("initializer"), form.word_line],
        **HIDDEN,
    )
    form.preset.input(apply_preset, form.preset, [form.setting(field) for field in PRESET_FIELDS], **HIDDEN)
    told = gr.State()
    gr.on(
        # The words change for a page when the model does, which has another pace.
        [
            frame.demo.load,
            frame.words_changed.change,
            form.desk.change,
            *(control.change for control in form.settings),
        ],
        bind(studio, tell_times),
        [told, form.desk, *form.settings],
        [told, form.preset, form.time],
        **QUIET,
    )
