"""The header: the base model in use, the button of the drawer, and the language."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ti_core.errors import ModelError
from ti_core.languages import language_name, languages, tell
from ti_core.model.download import is_present
from ti_core.model.presets import PRESETS, find_preset
from ti_core.model.sources import model_source
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, bind
from ui.server.errors import refusal
from ui.server.model_keeper import device_name, memory_need
from ui.server.studio import Studio
from ui.texts import Language, explain, label, language_of, say

GIGABYTE = 1e9
OFTEN, SELDOM = 1.0, 8.0  # seconds between two looks at the model: while it is being loaded, and otherwise

SWITCH_LANGUAGE = """
for (const button of element.querySelectorAll("[lang]"))
  if (button.lang === oneWord.language()) button.setAttribute("aria-current", "true");
element.addEventListener("click", (event) => {
  const button = event.target.closest("[lang]");
  if (button) oneWord.switchLanguage(button.lang);
});
"""


def build(studio: Studio, frame: Frame) -> None:
    """Place the header, and keep it up to date."""
    is_fixed = studio.homes.shared
    with gr.Row(elem_id="header"):
        gr.HTML(f"<h1>One Word</h1><p>{label('frame_tagline')}</p>", elem_id="title", apply_default_css=False)
        with gr.Row(elem_id="model"):
            choice = gr.Dropdown(
                [(label(f"frame_model_{preset.name}"), preset.name) for preset in PRESETS],
                value=name_in_use(studio),
                label=label("frame_model"),
                container=False,
                allow_custom_value=True,
                interactive=not is_fixed,
                elem_id="model-choice",
            )
            load = gr.Button(label("frame_model_load"), elem_id="model-load", visible=not is_fixed)
            cancel = gr.Button(label("frame_model_cancel"), elem_id="model-cancel", visible=False)
        with gr.Row(elem_id="reader"):
            words = gr.Button(label("library_title"), elem_id="words-button")
            gr.HTML(
                language_switch(), elem_id="languages", js_on_load=SWITCH_LANGUAGE, apply_default_css=False
            )
    with gr.Row(elem_id="model-lines"):
        status = gr.HTML(elem_id="model-status")
        advice = gr.HTML(elem_id="model-advice")
    timer = gr.Timer(OFTEN)
    # An unqueued event sets off the change of a component, but not that of a state.
    in_use = gr.Textbox(visible="hidden")
    shown = [status, load, cancel, timer, in_use]

    gr.on([frame.demo.load, timer.tick], bind(studio, show_model), None, shown, **QUIET)
    frame.demo.load(lambda: name_in_use(studio), None, choice, **QUIET)
    gr.on([choice.change, in_use.change], bind(studio, advise), choice, advice, **QUIET)
    # What may fail is queued, for only then is an error shown; and only then is a change of a state noticed.
    load.click(bind(studio, load_model), choice, shown, **HIDDEN)
    cancel.click(bind(studio, cancel_loading), None, shown, **HIDDEN)
    in_use.change(lambda count: count + 1, frame.words_changed, frame.words_changed, **HIDDEN)  # others fit
    gr.on([frame.demo.load, frame.words_changed.change], bind(studio, count_words), None, words, **QUIET)
    words.click(None, js="() => oneWord.toggleWords()", **HIDDEN)


def language_switch() -> str:
    """A button for each language, in that language."""
    buttons = "".join(
        f'<button lang="{language}">{html.escape(language_name(language))}</button>'
        for language in languages()
    )
    return f'<nav aria-label="Language 言語">{buttons}</nav>'


def name_in_use(studio: Studio) -> str:
    """The model in use, or being loaded, or else to be offered."""
    return studio.models.status.name or PRESETS[0].name


def show_model(studio: Studio, request: gr.Request) -> list[Any]:
    """The status line, which of Load and Cancel is there, when to look again, and what is in use."""
    status = studio.models.status
    is_loading, is_own = status.phase == "loading", not studio.homes.shared
    return [
        status_html(studio, language_of(request)),
        gr.Button(visible=status.phase == "failed" or is_own and not is_loading),
        gr.Button(visible=is_own and is_loading),
        gr.Timer(OFTEN if is_loading else SELDOM),
        f"{status.name} {status.phase}",
    ]


def status_html(studio: Studio, language: Language) -> str:
    """One line on the model in use; the seconds of its loading are not read out by screen readers."""
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
    """What another model would need of the memory, or why it cannot be loaded."""
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
    """What is known of a preset, and whether it has to be downloaded."""
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


def load_model(studio: Studio, request: gr.Request, name: str | None) -> list[Any]:
    """Begin to load a model, where that disturbs no one; raises as :meth:`ModelKeeper.load`.

    What failed to load for everyone, as without a network, anyone may try again.
    """
    status = studio.models.status
    if (status.phase, status.name) != ("failed", name):
        _check_is_own(studio, request)
    if active := studio.trainer.active():
        raise refusal(language_of(request), "frame_model_busy", count=active)
    studio.models.load((name or "").strip())
    return show_model(studio, request)


def cancel_loading(studio: Studio, request: gr.Request) -> list[Any]:
    _check_is_own(studio, request)
    studio.models.cancel()
    return show_model(studio, request)


def count_words(studio: Studio, request: gr.Request) -> str:
    """The drawer's name with the number of words in it."""
    entries, _ = studio.home(request).library.entries()
    return say(language_of(request), "library_count", count=len(entries))


def _check_is_own(studio: Studio, request: gr.Request) -> None:
    """On a shared server no visitor changes the model of the others."""
    if studio.homes.shared:
        raise refusal(language_of(request), "frame_model_fixed")
