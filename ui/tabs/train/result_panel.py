"""The panel of a run's result: show it, use it, compare it and share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block
from gradio.events import Dependency

from ti_core.training.runs import Run
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, Updates, bind
from ui.parts.publish import Word
from ui.parts.results import stop_drawing
from ui.server.downloads import export_word
from ui.server.learned import learned_token
from ui.server.studio import Studio
from ui.tabs.train.evidence import draw_evidence, evidence_files
from ui.tabs.train.result import add_evidence, prompt_to_try, slider_step, use_token
from ui.tabs.train.result_view import ResultView, step_html
from ui.tabs.train.run_view import RunView
from ui.tabs.train.runs import current_run
from ui.tabs.train.settings import TIGHT
from ui.texts import Language, label, language_of

TEXTS = ("headline", "finding", "evidence", "course")
"""The names that components of the panel share with the texts of a result's view."""


@dataclass(frozen=True)
class ResultPanel:
    """The components. Incrementing the number in ``evidence_due`` has the evidence drawn."""

    evidence_due: gr.State
    archive: gr.DownloadButton
    column: gr.Column
    headline: gr.HTML
    finding: gr.HTML
    use: gr.Button
    download: gr.Button
    evidence: gr.HTML
    drawing: gr.HTML
    draw: gr.Button
    cancel: gr.Button
    course: gr.HTML
    step: gr.Slider
    step_info: gr.HTML
    keep: gr.Button

    @property
    def outputs(self) -> list[Block]:
        """The components that change with the run shown."""
        texts = [getattr(self, name) for name in TEXTS]
        drawing = [self.drawing, self.draw, self.cancel]
        return [self.evidence_due, self.column, *texts, *drawing, self.step, self.step_info]


def place_result_panel(evidence_due: gr.State, archive: gr.DownloadButton) -> ResultPanel:
    """Place the panel, hidden at first; components that are always hidden are created outside it."""
    with gr.Column(visible=False, variant="panel", elem_id="train-result") as column:
        headline, finding = gr.HTML(elem_classes=TIGHT), gr.HTML(elem_classes=TIGHT)
        with gr.Row():
            use = gr.Button(label("train_use"), variant="primary", min_width=160)
            download = gr.Button(label("train_download"), min_width=160)
        evidence, drawing = gr.HTML(elem_classes=TIGHT), gr.HTML(elem_classes=TIGHT)
        draw = gr.Button(label("train_draw_evidence"), size="sm")
        cancel = gr.Button(label("drawing_cancel"), size="sm", visible=False)
        with gr.Accordion(label("train_course"), open=False):
            course = gr.HTML(elem_classes=[TIGHT, "train-course"])
        with gr.Accordion(label("train_saved_steps"), open=False):
            step = gr.Slider(0, 1, 0, step=1, label=label("train_step"), info=label("train_step_info"))
            step_info = gr.HTML(elem_classes=TIGHT)
            keep = gr.Button(label("train_keep"), size="sm")
    return ResultPanel(
        evidence_due=evidence_due,
        archive=archive,
        column=column,
        headline=headline,
        finding=finding,
        use=use,
        download=download,
        evidence=evidence,
        drawing=drawing,
        draw=draw,
        cancel=cancel,
        course=course,
        step=step,
        step_info=step_info,
        keep=keep,
    )


def bind_result_panel(studio: Studio, frame: Frame, panel: ResultPanel, view: gr.State) -> Dependency:
    """Bind the panel's buttons for the run in ``view``; return the event that draws the comparison."""
    comparison: Dependency = gr.on(
        [panel.draw.click, panel.evidence_due.change],
        bind(studio, compare, panel),
        view,
        [panel.drawing, panel.finding, panel.evidence, panel.draw, panel.cancel],
        **HIDDEN,
    )
    panel.cancel.click(bind(studio, stop_drawing), None, None, **QUIET)
    panel.step.input(
        bind(studio, show_step, panel),
        [view, panel.step],
        [panel.step_info],
        trigger_mode="always_last",
        **HIDDEN,
    )
    panel.use.click(
        bind(studio, use_word, frame),
        [view, frame.words_changed],
        [frame.generate_prompt, frame.tabs, frame.words_changed],
        **HIDDEN,
    )
    panel.download.click(bind(studio, download_word, panel), view, [panel.archive], **HIDDEN).success(
        None, js="() => document.querySelector('#train-archive').click()", **HIDDEN
    )
    return comparison


# --- updates ----------------------------------------------------------------------------------------------


def result_updates(panel: ResultPanel, before: ResultView | None, after: ResultView | None) -> Updates:
    """Return the updates that make the panel show another result, or none."""
    if before == after:
        return {}
    updates: Updates = {getattr(panel, name): getattr(after, name, "") for name in TEXTS}
    can_draw = after is not None and not after.is_drawn
    return updates | {
        panel.column: gr.Column(visible=after is not None),
        panel.draw: gr.Button(visible=can_draw),
    }


def step_updates(panel: ResultPanel, language: Language, run: Run, result: ResultView) -> Updates:
    """Set the slider to the saved steps; a run with fewer than two saved steps offers no choice."""
    first, last = result.steps[0], result.steps[-1]
    slider = gr.Slider(visible=False)
    if first < last:
        slider = gr.Slider(
            minimum=first, maximum=last, step=slider_step(result.steps), value=result.step, visible=True
        )
    return {panel.step: slider, panel.step_info: step_html(language, run, result.step)}


# --- handlers ---------------------------------------------------------------------------------------------


def compare(studio: Studio, request: gr.Request, panel: ResultPanel, view: RunView) -> Iterator[Updates]:
    """Draw the evidence. The drawing can be cancelled, and started again if it was not completed."""
    home, run = studio.home(request), current_run(studio, request, view.run)
    drawing: Updates = {panel.draw: gr.Button(visible=False), panel.cancel: gr.Button(visible=True)}
    try:
        for progress in draw_evidence(studio, request, run):
            if progress.is_kept:
                add_evidence(home, run)
            yield {
                **drawing,
                panel.drawing: progress.line,
                panel.finding: progress.view.finding,
                panel.evidence: progress.view.pictures,
            }
    except Exception:
        yield {panel.drawing: "", panel.draw: gr.Button(visible=True), panel.cancel: gr.Button(visible=False)}
        raise
    is_missing = not evidence_files(run, run.concept())
    yield {panel.draw: gr.Button(visible=is_missing), panel.cancel: gr.Button(visible=False)}


def show_step(studio: Studio, request: gr.Request, panel: ResultPanel, view: RunView, step: float) -> Updates:
    """Describe the saved step nearest to the slider's."""
    run = current_run(studio, request, view.run)
    return {panel.step_info: step_html(language_of(request), run, step)}


def use_word(studio: Studio, request: gr.Request, frame: Frame, view: RunView, words: int) -> Updates:
    """Open the tab that draws the word, with a sentence that uses it."""
    home, run = studio.home(request), current_run(studio, request, view.run)
    is_missing = learned_token(home, run) is None
    return {
        frame.generate_prompt: prompt_to_try(run, use_token(home, run)),
        frame.tabs: gr.Tabs(selected="generate"),
        frame.words_changed: words + is_missing,
    }


def download_word(studio: Studio, request: gr.Request, panel: ResultPanel, view: RunView) -> Updates:
    """Provide the word as an archive that the browser may download."""
    home, run = studio.home(request), current_run(studio, request, view.run)
    return {panel.archive: export_word(home.library, use_token(home, run))}


def find_word(studio: Studio, request: gr.Request, view: RunView) -> Word:
    """Find the result to publish: in the library, or in the run if it was deleted from the library."""
    home, run = studio.home(request), current_run(studio, request, view.run)
    token = learned_token(home, run)
    if token is None:
        return Word(run.concept(), run.folder)
    entry = home.library.find(token)
    return Word(entry.concept, entry.folder)
