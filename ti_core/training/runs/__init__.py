"""Training runs on disk: create, train, stop, resume and list them.

A run is a folder. When training ends, the same folder is the concept:

    run.json             settings, base model and its precision, the pictures' fingerprints
    pictures/            the pictures (and masks) as the model sees them
    state.safetensors    vectors, Adam's moments, step, evaluations; and the previous state beside it
    metrics.jsonl        one line per step
    steps/               the vectors at every evaluation, 000020.safetensors
    previews/            the preview pictures, 000050.png
    concept.json …       the result (see ti_core.words.folder)

However a run is interrupted, resuming it gives the same vectors, metrics, steps and previews as a run that
was never interrupted: what was written after the last saved state is removed.
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
