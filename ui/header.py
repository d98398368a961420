"""The header: the base model in use, the drawer's button, and the language switch."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from ti_core.errors import ModelError
from ti_core.languages import language_name, languages, tell
from ti_core.model.download import is_present
from ti_core.model.presets import PRESETS, find_preset
from ti_core.model.sources import model_source
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, Updates, bind
from ui.server.errors import refusal
from ui.server.model_keeper import device_name, memory_need
from ui.server.studio import Studio
from ui.texts import Language, explain, label, language_of, say

GIGABYTE = 1e9
LOADING_SECONDS, IDLE_SECONDS = 1.0, 8.0  # between polls of the model: while it loads, otherwise

SWITCH_LANGUAGE = """
for (const button of element.querySelectorAll("[lang]"))
  if (button.lang === oneWord.language()) button.setAttribute("aria-current", "true");
element.addEventListener("click", (event) => {
  const button = event.target.closest("[lang]");
  if (button) oneWord.switchLanguage(button.lang);
});
"""


@dataclass(frozen=True)
class ModelBar:
    """The components about the base model. ``in_use`` changes whenever the model in use changes."""

    choice: gr.Dropdown
    load: gr.Button
    cancel: gr.Button
    status: gr.HTML
    advice: gr.HTML
    timer: gr.Timer
    in_use: gr.Textbox

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`show_model` updates."""
        return [self.status, self.load, self.cancel, self.timer, self.in_use]


def build(studio: Studio, frame: Frame) -> None:
    """Place the header and keep it up to date."""
    bar, words = place_header(studio)
    bind_model(studio, frame, bar)
    gr.on([frame.demo.load, frame.words_changed.change], bind(studio, count_words), None, words, **QUIET)
    words.click(None, js="() => oneWord.toggleWords()", **HIDDEN)


def place_header(studio: Studio) -> tuple[ModelBar, gr.Button]:
    """Place the header; return the components about the model, and the drawer's button."""
    with gr.Row(elem_id="header"):
        gr.HTML(f"<h1>One Word</h1><p>{label('frame_tagline')}</p>", elem_id="title", apply_default_css=False)
        with gr.Row(elem_id="model"):
            choice, load, cancel = _place_choice(studio)
        with gr.Row(elem_id="reader"):
            words = gr.Button(label("library_title"), elem_id="words-button")
            gr.HTML(
                language_switch(), elem_id="languages", js_on_load=SWITCH_LANGUAGE, apply_default_css=False
            )
    with gr.Row(elem_id="model-lines"):
        status = gr.HTML(elem_id="model-status")
        advice = gr.HTML(elem_id="model-advice")
    # A hidden component rather than a state: an unqueued event triggers ``change`` only on components.
    in_use = gr.Textbox(visible="hidden")
    return ModelBar(choice, load, cancel, status, advice, gr.Timer(LOADING_SECONDS), in_use), words


def _place_choice(studio: Studio) -> tuple[gr.Dropdown, gr.Button, gr.Button]:
    is_own = not studio.homes.shared
    choice = gr.Dropdown(
        [(label(f"frame_model_{preset.name}"), preset.name) for preset in PRESETS],
        value=name_in_use(studio),
        label=label("frame_model"),
        container=False,
        allow_custom_value=True,
        interactive=is_own,
        elem_id="model-choice",
    )
    load = gr.Button(label("frame_model_load"), elem_id="model-load", visible=is_own)
    cancel = gr.Button(label("frame_model_cancel"), elem_id="model-cancel", visible=False)
    return choice, load, cancel


def bind_model(studio: Studio, frame: Frame, bar: ModelBar) -> None:
    gr.on([frame.demo.load, bar.timer.tick], bind(studio, show_model, bar), None, bar.outputs, **QUIET)
    frame.demo.load(lambda: name_in_use(studio), None, bar.choice, **QUIET)
    gr.on([bar.choice.change, bar.in_use.change], bind(studio, advise), bar.choice, bar.advice, **QUIET)
    # Events that may fail are queued: otherwise Gradio neither shows an error nor notices a change of state.
    bar.load.click(bind(studio, load_model, bar), bar.choice, bar.outputs, **HIDDEN)
    bar.cancel.click(bind(studio, cancel_loading, bar), None, bar.outputs, **HIDDEN)
    # Each model has its own words.
    bar.in_use.change(lambda count: count + 1, frame.words_changed, frame.words_changed, **HIDDEN)


def language_switch() -> str:
    """Place a button for each language, labelled in that language."""
    buttons = "".join(
        f'<button lang="{language}">{html.escape(language_name(language))}</button>'
        for language in languages()
    )
    return f'<nav aria-label="Language 言語">{buttons}</nav>'


def name_in_use(studio: Studio) -> str:
    """Return the name of the model in use or being loaded, else of the one to offer first."""
    return studio.models.status.name or PRESETS[0].name


def show_model(studio: Studio, request: gr.Request, bar: ModelBar) -> Updates:
    """Show the model's status, offer to load or to cancel, and set when to poll again."""
    status = studio.models.status
    is_loading, is_own = status.phase == "loading", not studio.homes.shared
    return {
        bar.status: status_html(studio, language_of(request)),
        bar.load: gr.Button(visible=status.phase == "failed" or is_own and not is_loading),
        bar.cancel: gr.Button(visible=is_own and is_loading),
        bar.timer: gr.Timer(LOADING_SECONDS if is_loading else IDLE_SECONDS),
        bar.in_use: f"{status.name} {status.phase}",
    }


def status_html(studio: Studio, language: Language) -> str:
    """Describe the model's status in one line; screen readers skip the seconds of its loading."""
    status, backbone = studio.models.status, studio.models.backbone
    name, seconds = html.escape(status.name), ""
    if status.phase == "loading":
        text = say(language, "frame_model_loading", model=name)
        if status.fetched is not None:
            done, total = (size / GIGABYTE for size in status.fetched)
            text = say(language, "frame_model_fetching", model=name, done=done, total=total)
        seconds = f'<span aria-hidden="true">{say(language, "frame_seconds", seconds=status.seconds)}</span>'
    elif status.phase == "ready" and backbone is not None:
        text = say(
            language, "frame_model_ready", model=name, device=html.escape(device_name(backbone.device))
        )
        if backbone.memory.remarks:
            text += f" {html.escape(tell(language, backbone.memory.remarks[-1]))}"
    elif status.error is not None:
        reason = html.escape(explain(language, status.error))
        text = say(language, "frame_model_failed", model=name, reason=reason)
    else:
        text = say(language, "frame_model_none")
    return f'<p role="status" class="{status.phase}">{text} {seconds}</p>'


def advise(studio: Studio, request: gr.Request, name: str | None) -> str:
    """Say how much memory another model would need, or why it cannot be loaded."""
    language = language_of(request)
    if studio.homes.shared:
        return f"<p>{say(language, 'frame_model_fixed')}</p>"
    if not name or name == studio.models.status.name:
        return f'<p class="hint">{say(language, "frame_model_other")}</p>'
    try:
        model_source(name)
    except ModelError as error:
        return f'<p class="wrong">{html.escape(explain(language, error))}</p>'
    lines = [_memory_line(language, name), *_facts(language, name)]
    return "".join(lines)


def _memory_line(language: Language, name: str) -> str:
    need, shown = memory_need(name), html.escape(name)
    have = need.free / GIGABYTE
    if need.weights is None:
        return f"<p>{say(language, 'frame_model_unknown_size', model=shown, have=have)}</p>"
    numbers = {"model": shown, "need": need.weights / GIGABYTE, "have": have}
    if need.fits:
        return f"<p>{say(language, 'frame_model_fits', **numbers)}</p>"
    return f'<p class="wrong">{say(language, "frame_model_too_large", **numbers)}</p>'


def _facts(language: Language, name: str) -> Iterator[str]:
    """Say the facts of a preset, and whether it has to be downloaded."""
    preset = find_preset(name)
    if preset is not None:
        facts = say(
            language,
            "frame_model_facts",
            resolution=preset.resolution,
            parameters=preset.parameters,
            licence=f"https://huggingface.co/{preset.source}"
            if preset.licence == "other"
            else preset.licence,
        )
        yield f'<p class="hint">{facts}</p>'
    if not is_present(model_source(name)):
        yield f'<p class="hint">{say(language, "frame_model_download")}</p>'


def load_model(studio: Studio, request: gr.Request, bar: ModelBar, name: str | None) -> Updates:
    """Begin to load a model. On a shared server, anyone may retry a loading that failed.

    Raises the errors of :meth:`ModelKeeper.load`, and :class:`gr.Error` while the model in use trains words.
    """
    status = studio.models.status
    if (status.phase, status.name) != ("failed", name):
        _check_may_change(studio, request)
    if active := studio.trainer.active():
        raise refusal(language_of(request), "frame_model_busy", count=active)
    studio.models.load((name or "").strip())
    return show_model(studio, request, bar)


def cancel_loading(studio: Studio, request: gr.Request, bar: ModelBar) -> Updates:
    _check_may_change(studio, request)
    studio.models.cancel()
    return show_model(studio, request, bar)


def count_words(studio: Studio, request: gr.Request) -> str:
    """Label the drawer's button with the number of words."""
    entries, _ = studio.home(request).library.entries()
    return say(language_of(request), "library_count", count=len(entries))


def _check_may_change(studio: Studio, request: gr.Request) -> None:
    """Raise :class:`gr.Error` on a shared server, where no visitor may change the model of the others."""
    if studio.homes.shared:
        raise refusal(language_of(request), "frame_model_fixed")
