"""The panel of a run during and after training; it starts, stops and resumes runs."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ti_core.training.runs import Run
from ui.frame import Frame
from ui.parts.events import HIDDEN, Updates, bind
from ui.server.slices import SlicedTrainer
from ui.server.studio import Studio
from ui.tabs.train.form import Form
from ui.tabs.train.pictures import current_set
from ui.tabs.train.presets import read_config
from ui.tabs.train.result import keep_saved_step, nearest_step
from ui.tabs.train.result_panel import (
    ResultPanel,
    bind_result_panel,
    place_result_panel,
    result_updates,
    step_updates,
)
from ui.tabs.train.run_view import RunView, read_view, run_choices
from ui.tabs.train.runs import (
    current_run,
    find_run,
    names_in_training,
    newest_run,
    resume_run,
    runs_in_training,
    start_run,
)
from ui.tabs.train.settings import TIGHT
from ui.texts import label, language_of, say

POLL_SECONDS = 2
TEXTS = ("title", "progress", "strip", "chart", "facts")
"""The names that components of the panel share with the texts of a run's view."""

Values = Mapping[Block, Any]
"""What Gradio gives a handler: the value of each component that it asked for."""


@dataclass(frozen=True)
class RunPanel:
    """The components of the panel; ``view`` is the view that the page shows now."""

    runs: gr.Dropdown
    view: gr.State
    timer: gr.Timer
    column: gr.Column
    title: gr.HTML
    progress: gr.HTML
    strip: gr.HTML
    chart: gr.HTML
    facts: gr.HTML
    stop: gr.Button
    resume: gr.Button
    another: gr.Button
    result: ResultPanel

    @property
    def outputs(self) -> list[Block]:
        """The components that change with the run shown."""
        texts = [getattr(self, name) for name in TEXTS]
        buttons = [self.stop, self.resume]
        return [self.runs, self.view, self.timer, self.column, *texts, *buttons, *self.result.outputs]


@dataclass(frozen=True)
class Tab:
    """The parts of the page that change when another run, or the form, is shown."""

    frame: Frame
    form: Form
    panel: RunPanel

    @property
    def inputs(self) -> set[Block]:
        """The values that :func:`show_run` takes."""
        return {self.panel.view, self.panel.result.evidence_due, self.frame.words_changed}

    @property
    def outputs(self) -> list[Block]:
        """The components that :func:`show_run` may change."""
        return [*self.panel.outputs, self.form.column, self.frame.words_changed]


def place_run_panel() -> RunPanel:
    """Place the panel of a run, hidden until there is a run."""
    view, timer = gr.State(RunView()), gr.Timer(POLL_SECONDS, active=False)
    runs = gr.Dropdown([], label=label("train_runs"), visible=False, elem_id="train-runs")
    # Outside the group that is hidden and shown: with the group, Gradio would show the button too, and count
    # the state as changed.
    evidence_due, archive = gr.State(0), gr.DownloadButton(visible="hidden", elem_id="train-archive")
    with gr.Column(visible=False, elem_id="train-run") as column:
        title, progress = gr.HTML(elem_classes=TIGHT), gr.HTML(elem_classes=TIGHT)
        with gr.Row():
            stop = gr.Button(label("train_stop_now"), visible=False, min_width=120)
            resume = gr.Button(label("train_resume"), visible=False, min_width=120)
            another = gr.Button(label("train_another"), min_width=120)
        result = place_result_panel(evidence_due, archive)
        strip, facts, chart = (gr.HTML(elem_classes=TIGHT) for _ in range(3))
    return RunPanel(
        runs=runs,
        view=view,
        timer=timer,
        column=column,
        title=title,
        progress=progress,
        strip=strip,
        chart=chart,
        facts=facts,
        stop=stop,
        resume=resume,
        another=another,
        result=result,
    )


def bind_run_panel(studio: Studio, tab: Tab) -> None:
    """Bind the buttons and the timer; only the changed parts of the run's view are sent."""
    frame, form, panel = tab.frame, tab.form, tab.panel

    def on(event: Callable[..., Any], handler: Callable[..., Any], *inputs: Block) -> None:
        # Queued: otherwise Gradio neither shows an error nor notices a change of state.
        event(bind(studio, handler, tab), {*tab.inputs, *inputs}, tab.outputs, **HIDDEN)

    on(frame.demo.load, open_newest)
    on(panel.timer.tick, poll)
    on(panel.runs.input, choose, panel.runs)
    on(panel.another.click, show_form)
    on(form.start.click, start, *form.inputs)
    on(panel.stop.click, stop)
    on(panel.resume.click, resume)
    on(panel.result.keep.click, keep_step, panel.result.step)
    _bind_slices(studio, panel)
    comparison = bind_result_panel(studio, frame, panel.result, panel.view)
    for leave in (panel.runs.input, panel.another.click, panel.resume.click, form.start.click):
        leave(None, cancels=comparison, **HIDDEN)


def _bind_slices(studio: Studio, panel: RunPanel) -> None:
    """On a lent GPU, let the open page request slice after slice; a tick ends when its slices have ended."""
    if studio.slices is not None:
        panel.timer.tick(bind(studio, train_slices, studio.slices), None, None, **HIDDEN)


# --- handlers ---------------------------------------------------------------------------------------------


def train_slices(studio: Studio, request: gr.Request, slices: SlicedTrainer) -> None:
    """Train the next slice of each of the visitor's runs."""
    runs = runs_in_training(studio, studio.home(request))
    for run in runs:
        slices.wait_for(runs)
        slices.go_on(run)
    slices.wait_for(runs)


def open_newest(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Show the newest run in training, else the newest of all."""
    return show_run(studio, request, tab, values, newest_run(studio, studio.home(request)))


def poll(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Update the run shown while it trains, and notice when another run has ended."""
    home, view = studio.home(request), values[tab.panel.view]
    if not view.is_read:
        updates = open_newest(studio, request, tab, values)
        return {**updates, tab.frame.words_changed: values[tab.frame.words_changed] + 1}
    run = find_run(home, view.run)
    if view.run in view.learning:
        return show_run(studio, request, tab, values, run)
    after = replace(view, learning=names_in_training(studio, home))  # all else is unchanged
    if after == view:
        return {}  # not even the view: a training may start while this request is answered
    return show_view(studio, request, tab, values, run, after)


def choose(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Show the run chosen in the list."""
    run = find_run(studio.home(request), values[tab.panel.runs])
    return show_run(studio, request, tab, values, run)


def show_form(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Show the form for a new word."""
    return show_run(studio, request, tab, values, None)


def start(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Start a training with the form's settings."""
    config = read_config(tab.form.settings.read(values))
    current = (values[component] for component in tab.form.pictures.inputs)
    run = start_run(studio, request, current_set(studio, request, *current), config)
    return show_run(studio, request, tab, values, run)


def stop(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Stop the run after its next step."""
    run = current_run(studio, request, values[tab.panel.view].run)
    studio.trainer.stop(run)
    return show_run(studio, request, tab, values, run)


def resume(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Resume the run."""
    run = current_run(studio, request, values[tab.panel.view].run)
    resume_run(studio, request, run)
    return show_run(studio, request, tab, values, run)


def keep_step(studio: Studio, request: gr.Request, tab: Tab, values: Values) -> Updates:
    """Make the vectors of an earlier step the run's result."""
    language, run = language_of(request), current_run(studio, request, values[tab.panel.view].run)
    step = values[tab.panel.result.step]
    token = keep_saved_step(studio.home(request), run, step)
    text = say(language, "train_kept_step", step=nearest_step(run, step), token=token)
    gr.Info(html.escape(text), title=say(language, "frame_info"))
    return show_run(studio, request, tab, values, run)


# --- updates ----------------------------------------------------------------------------------------------


def show_run(studio: Studio, request: gr.Request, tab: Tab, values: Values, run: Run | None) -> Updates:
    """Show a run in its current state, or the form if there is none."""
    return show_view(studio, request, tab, values, run, read_view(studio, request, run))


def show_view(
    studio: Studio, request: gr.Request, tab: Tab, values: Values, run: Run | None, after: RunView
) -> Updates:
    """Show a run's view; if a training has ended, count the words as changed."""
    before, result = values[tab.panel.view], tab.panel.result
    updates = view_updates(tab.panel, before, after)
    if after.run != before.run:
        updates |= _switch(studio, request, tab, after)
    has_changed_words = bool(before.learning - after.learning)  # a training has ended
    if run is not None and after.result is not None and is_new_result(before, after):
        updates |= step_updates(result, language_of(request), run, after.result)
        is_due = after.result.is_drawable and not after.result.is_drawn
        updates[result.evidence_due] = values[result.evidence_due] + is_due
        has_changed_words |= after.run == before.run
    if has_changed_words:
        updates[tab.frame.words_changed] = values[tab.frame.words_changed] + 1
    return updates


def view_updates(panel: RunPanel, before: RunView, after: RunView) -> Updates:
    """Return the updates that make the panel show another view."""
    updates: Updates = {panel.view: after}
    for name in TEXTS:
        if getattr(before, name) != getattr(after, name):
            updates[getattr(panel, name)] = getattr(after, name)
    if before.can_stop != after.can_stop:
        updates[panel.stop] = gr.Button(visible=after.can_stop)
    if before.can_resume != after.can_resume:
        updates[panel.resume] = gr.Button(visible=after.can_resume)
    if not before.is_read or bool(before.learning) != bool(after.learning):
        updates[panel.timer] = gr.Timer(active=bool(after.learning))
    return updates | result_updates(panel.result, before.result, after.result)


def is_new_result(before: RunView, after: RunView) -> bool:
    """Whether the page shows other vectors than before."""
    if before.run != after.run or before.result is None or after.result is None:
        return True
    return before.result.sha256 != after.result.sha256


def _switch(studio: Studio, request: gr.Request, tab: Tab, view: RunView) -> Updates:
    """Switch to a run, from the form or from another run, or to the form if there is none."""
    choices = run_choices(studio, studio.home(request), language_of(request))
    return {
        tab.panel.runs: gr.Dropdown(choices=choices, value=view.run, visible=len(choices) > 1),
        tab.panel.column: gr.Column(visible=bool(view.run)),
        tab.form.column: gr.Column(visible=not view.run),
        tab.panel.result.drawing: "",
        tab.panel.result.cancel: gr.Button(visible=False),
    }
