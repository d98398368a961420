"""The part of the page that shows a training run, lets it be stopped and resumed, and uses its result."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from ti_core.training.runs import Run
from ui.frame import Frame
from ui.parts.events import HIDDEN, QUIET, bind
from ui.parts.publish import Word
from ui.parts.results import stop_drawing
from ui.server.downloads import export_word
from ui.server.errors import plainly, refusal
from ui.server.learned import learned_token
from ui.server.studio import Studio
from ui.tabs.train.form import TIGHT, Form, begin_training, begun_desk
from ui.tabs.train.pictures import Desk
from ui.tabs.train.result import (
    draw_evidence,
    evidence_files,
    keep_saved_step,
    nearest_step,
    prompt_to_try,
    slider_step,
    step_html,
    use_token,
)
from ui.tabs.train.runs import (
    find_run,
    names_in_training,
    newest_run,
    resume_run,
    run_choices,
    runs_in_training,
)
from ui.tabs.train.settings import FIELDS
from ui.tabs.train.view import JobView, ResultView, job_view
from ui.texts import Language, label, language_of, say

POLL_SECONDS = 2
HTML_PARTS = ("title", "progress", "strip", "chart", "facts")
RESULT_PARTS = ("headline", "finding", "evidence", "course")


@dataclass(frozen=True)
class JobPart:
    """The components of a run, :data:`HTML_PARTS` and :data:`RESULT_PARTS` called as the views' parts are.

    ``view`` is what the page shows now, ``evidence_due`` a number: whoever adds one has the evidence drawn.
    """

    runs: gr.Dropdown
    view: gr.State
    evidence_due: gr.State
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
    result: gr.Column
    headline: gr.HTML
    finding: gr.HTML
    evidence: gr.HTML
    drawing: gr.HTML
    draw: gr.Button
    cancel: gr.Button
    course: gr.HTML
    step: gr.Slider
    step_info: gr.HTML
    keep: gr.Button
    use: gr.Button
    download: gr.Button
    archive: gr.DownloadButton

    @property
    def components(self) -> list[gr.blocks.Block]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def build_job() -> JobPart:
    """Place what shows a run; hidden until there is one."""
    view, evidence_due = gr.State(JobView()), gr.State(0)
    timer = gr.Timer(POLL_SECONDS, active=False)
    runs = gr.Dropdown([], label=label("train_runs"), visible=False, elem_id="train-runs")
    # Outside of what is hidden and shown again, for with that it would be shown too.
    archive = gr.DownloadButton(visible="hidden", elem_id="train-archive")
    with gr.Column(visible=False, elem_id="train-job") as column:
        title, progress = gr.HTML(elem_classes=TIGHT), gr.HTML(elem_classes=TIGHT)
        with gr.Row():
            stop = gr.Button(label("train_stop_now"), visible=False, min_width=120)
            resume = gr.Button(label("train_resume"), visible=False, min_width=120)
            another = gr.Button(label("train_another"), min_width=120)
        with gr.Column(visible=False, variant="panel", elem_id="train-result") as result:
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
        strip = gr.HTML(elem_classes=TIGHT)
        facts = gr.HTML(elem_classes=TIGHT)
        chart = gr.HTML(elem_classes=TIGHT)
    return JobPart(
        runs=runs,
        view=view,
        evidence_due=evidence_due,
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
        headline=headline,
        finding=finding,
        evidence=evidence,
        drawing=drawing,
        draw=draw,
        cancel=cancel,
        course=course,
        step=step,
        step_info=step_info,
        keep=keep,
        use=use,
        download=download,
        archive=archive,
    )


def bind_job(studio: Studio, frame: Frame, part: JobPart, form: Form) -> None:
    """Let the buttons and the timer answer; what has changed of the run's view is sent, and no more."""
    _bind_run(studio, frame, part, form)
    _bind_slices(studio, part)
    comparison = _bind_result(studio, frame, part)
    for leaves in (part.runs.input, part.another.click, part.resume.click, form.start.click):
        leaves(None, cancels=comparison, **HIDDEN)


def current_run(studio: Studio, request: gr.Request, view: JobView) -> Run:
    """The run that the page shows. Raises :class:`gr.Error` if the visitor's home does not have it."""
    run = find_run(studio.home(request), view.run)
    if run is None:
        raise refusal(language_of(request), "train_run_gone")
    return run


def _bind_run(studio: Studio, frame: Frame, part: JobPart, form: Form) -> None:
    known = [part.view, frame.words_changed, part.evidence_due]

    def answer(request: gr.Request, run: Run | None, *known: Any) -> dict[Any, Any]:
        return turn(request, run, job_view(studio, request, run), *known)

    def turn(
        request: gr.Request, run: Run | None, after: JobView, view: JobView, words: int, due: int
    ) -> dict[Any, Any]:
        changes = view_changes(part, view, after)
        if after.run != view.run:
            changes |= _turn_to(studio, request, part, form, after)
        if view.learning - after.learning:  # a training has ended
            changes[frame.words_changed] = words + 1
        if run is not None and after.result is not None and is_new_result(view, after):
            changes |= _step_changes(language_of(request), part, run, after.result)
            changes[part.evidence_due] = due + (after.result.drawable and not after.result.drawn)
            if after.run == view.run:
                changes[frame.words_changed] = words + 1
        return changes

    @plainly
    def find(request: gr.Request, *known: Any) -> dict[Any, Any]:
        return answer(request, newest_run(studio, studio.home(request)), *known)

    @plainly
    def poll(request: gr.Request, *known: Any) -> dict[Any, Any]:
        home, view = studio.home(request), known[0]
        if not view.told:
            return {**answer(request, newest_run(studio, home), *known), frame.words_changed: known[1] + 1}
        run = find_run(home, view.run)
        if view.run in view.learning:
            return answer(request, run, *known)
        after = dataclasses.replace(view, learning=names_in_training(studio, home))  # the rest stays as it is
        if after == view:
            return {part.title: gr.skip()}  # not the view: a training may be started while this is answered
        return turn(request, run, after, *known)

    @plainly
    def choose(request: gr.Request, name: str, *known: Any) -> dict[Any, Any]:
        return answer(request, find_run(studio.home(request), name), *known)

    @plainly
    def another(request: gr.Request, *known: Any) -> dict[Any, Any]:
        return answer(request, None, *known)

    @plainly
    def start(
        request: gr.Request, desk: Desk, name: str, card: str, caption: str, *values: Any
    ) -> dict[Any, Any]:
        settings, known = values[: len(FIELDS)], values[len(FIELDS) :]
        desk = begun_desk(studio, request, desk, name, card, caption)
        return answer(request, begin_training(studio, request, desk, *settings), *known)

    @plainly
    def stop(request: gr.Request, *known: Any) -> dict[Any, Any]:
        run = current_run(studio, request, known[0])
        studio.trainer.stop(run)
        return answer(request, run, *known)

    @plainly
    def resume(request: gr.Request, *known: Any) -> dict[Any, Any]:
        run = current_run(studio, request, known[0])
        resume_run(studio, request, run)
        return answer(request, run, *known)

    @plainly
    def keep(request: gr.Request, step: float, *known: Any) -> dict[Any, Any]:
        run = current_run(studio, request, known[0])
        language = language_of(request)
        token = keep_saved_step(studio.home(request), run, step)
        text = say(language, "train_kept_step", step=nearest_step(run, step), token=token)
        gr.Info(html.escape(text), title=say(language, "frame_info"))
        return answer(request, run, *known)

    shown = [*part.components, form.column, frame.words_changed]
    for trigger, handler, inputs in (
        (frame.demo.load, find, []),
        (part.timer.tick, poll, []),
        (part.runs.input, choose, [part.runs]),
        (part.another.click, another, []),
        (form.start.click, start, [*form.begun_inputs, *form.settings]),
        (part.stop.click, stop, []),
        (part.resume.click, resume, []),
        (part.keep.click, keep, [part.step]),
    ):
        # Queued, for only then is an error shown, and the change of a state noticed.
        trigger(handler, [*inputs, *known], shown, **HIDDEN)


def _bind_slices(studio: Studio, part: JobPart) -> None:
    """Where the GPU is lent, the open page asks for one slice after the other; a tick waits for the last."""
    slices = studio.slices
    if slices is None:
        return

    @plainly
    def go_on(request: gr.Request) -> None:
        runs = runs_in_training(studio, studio.home(request))
        for run in runs:
            slices.wait_for(runs)
            slices.go_on(run)
        slices.wait_for(runs)

    part.timer.tick(go_on, None, None, **HIDDEN)


def _bind_result(studio: Studio, frame: Frame, part: JobPart) -> Dependency:
    """Bind the result's own buttons; what draws the comparison is returned."""
    comparison = gr.on(
        [part.draw.click, part.evidence_due.change],
        bind(studio, compare),
        part.view,
        [part.drawing, part.finding, part.evidence, part.draw, part.cancel],
        **HIDDEN,
    )
    part.cancel.click(bind(studio, stop_drawing), None, None, **QUIET)
    part.step.input(
        bind(studio, tell_step), [part.view, part.step], part.step_info, trigger_mode="always_last", **HIDDEN
    )
    part.use.click(
        bind(studio, use_word),
        [part.view, frame.words_changed],
        [frame.generate_prompt, frame.tabs, frame.words_changed],
        **HIDDEN,
    )
    part.download.click(bind(studio, download_word), part.view, part.archive, **HIDDEN).success(
        None, js="() => document.querySelector('#train-archive').click()", **HIDDEN
    )
    return comparison


# --- what happens -----------------------------------------------------------------------------------------


def compare(studio: Studio, request: gr.Request, view: JobView) -> Iterator[list[Any]]:
    """Draw the evidence; while that lasts it can be cancelled, and begun again if it was not completed."""
    run = current_run(studio, request, view)
    try:
        for shown in draw_evidence(studio, request, run):
            yield [*shown, gr.Button(visible=False), gr.Button(visible=True)]
    except Exception:
        yield ["", gr.skip(), gr.skip(), gr.Button(visible=True), gr.Button(visible=False)]
        raise
    missing = not evidence_files(run, run.concept())
    yield [gr.skip(), gr.skip(), gr.skip(), gr.Button(visible=missing), gr.Button(visible=False)]


def tell_step(studio: Studio, request: gr.Request, view: JobView, step: float) -> str:
    return step_html(language_of(request), current_run(studio, request, view), step)


def use_word(studio: Studio, request: gr.Request, view: JobView, words: int) -> list[Any]:
    """A sentence with the word, in the tab that draws it."""
    home, run = studio.home(request), current_run(studio, request, view)
    missing = learned_token(home, run) is None
    prompt = prompt_to_try(run, use_token(home, run))
    return [prompt, gr.Tabs(selected="generate"), words + missing]


def download_word(studio: Studio, request: gr.Request, view: JobView) -> str:
    """The word as an archive that the browser may fetch."""
    run = current_run(studio, request, view)
    home = studio.home(request)
    return export_word(home.library, use_token(home, run))


def find_word(studio: Studio, request: gr.Request, view: JobView) -> Word:
    """What was learned, to publish it: as it is in the library, or from the run if it was deleted there."""
    home, run = studio.home(request), current_run(studio, request, view)
    token = learned_token(home, run)
    if token is None:
        return Word(run.concept(), run.folder)
    entry = home.library.find(token)
    return Word(entry.concept, entry.folder)


def view_changes(part: JobPart, before: JobView, after: JobView) -> dict[Any, Any]:
    """What of the components has to change for the page to show another view."""
    changes: dict[Any, Any] = {part.view: after}
    for name in HTML_PARTS:
        if getattr(before, name) != getattr(after, name):
            changes[getattr(part, name)] = getattr(after, name)
    for button, was, now in (
        (part.stop, before.can_stop, after.can_stop),
        (part.resume, before.can_resume, after.can_resume),
    ):
        if was != now:
            changes[button] = gr.Button(visible=now)
    if not before.told or bool(before.learning) != bool(after.learning):
        changes[part.timer] = gr.Timer(active=bool(after.learning))
    if before.result != after.result:
        changes[part.result] = gr.Column(visible=after.result is not None)
        changes[part.draw] = gr.Button(visible=after.result is not None and not after.result.drawn)
        for name in RESULT_PARTS:
            changes[getattr(part, name)] = getattr(after.result, name, "")
    return changes


def is_new_result(before: JobView, after: JobView) -> bool:
    """Whether the page shows other vectors than before."""
    if before.run != after.run or before.result is None or after.result is None:
        return True
    return before.result.sha256 != after.result.sha256


def _turn_to(studio: Studio, request: gr.Request, part: JobPart, form: Form, view: JobView) -> dict[Any, Any]:
    """Show a run in place of the form, or the form for none."""
    choices = run_choices(studio, studio.home(request), language_of(request))
    return {
        part.runs: gr.Dropdown(choices=choices, value=view.run, visible=len(choices) > 1),
        part.column: gr.Column(visible=bool(view.run)),
        form.column: gr.Column(visible=not view.run),
        part.drawing: "",
        part.cancel: gr.Button(visible=False),
    }


def _step_changes(language: Language, part: JobPart, run: Run, result: ResultView) -> dict[Any, Any]:
    """The slider over the saved steps; one that stopped before its second has nothing to choose."""
    first, last = result.steps[0], result.steps[-1]
    slider = gr.Slider(visible=False)
    if first < last:
        slider = gr.Slider(
            minimum=first, maximum=last, step=slider_step(result.steps), value=result.step, visible=True
        )
    return {part.step: slider, part.step_info: step_html(language, run, result.step)}
