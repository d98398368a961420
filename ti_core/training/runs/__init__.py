"""Training runs on disk: created, stopped, resumed, listed.

A run is a folder, and when it ends the same folder is the concept:

    run.json             settings, base model and its precision, the pictures' fingerprints
    pictures/            the pictures (and masks) as the model sees them
    state.safetensors    vectors, Adam's moments, step, evaluations; and the one before it
    metrics.jsonl        one line a step
    steps/               the vectors of every step that was evaluated, 000020.safetensors
    previews/            one picture each time one was due, 000050.png
    concept.json …       the result (see ti_core.words.folder)

Whatever kills a run, resuming it gives the vectors that it would have given uninterrupted, and the same
metrics, steps and previews: what was written after the state that it resumes from is dropped.
"""

from ti_core.training.runs.driver import keep_result, load_state, train_runs
from ti_core.training.runs.folder import (
    Run,
    check_model,
    check_same,
    create_run,
    delete_run,
    list_runs,
    load_run_pictures,
    open_run,
    picture_size,
)
from ti_core.training.runs.metrics import StepMetrics, read_metrics
from ti_core.training.runs.steps import concept_at, keep_step, list_previews, saved_steps

__all__ = [
    "Run",
    "StepMetrics",
    "check_model",
    "check_same",
    "concept_at",
    "create_run",
    "delete_run",
    "keep_result",
    "keep_step",
    "list_previews",
    "list_runs",
    "load_run_pictures",
    "load_state",
    "open_run",
    "picture_size",
    "read_metrics",
    "saved_steps",
    "train_runs",
]
