"""The base model in use: one for everyone, loaded in the background."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open

from ti_core.errors import ConfigError, ModelError, OneWordError
from ti_core.model.backbone import Backbone
from ti_core.model.memory import free_bytes, free_unused_memory
from ti_core.model.precision import best_device, fastest_dtype
from ti_core.model.presets import find_preset
from ti_core.model.sources import model_source
from ti_core.training.pace import Pace, measure_pace
from ui.server.zero import ON_ZERO_GPU

log = logging.getLogger(__name__)

CLOSING_SECONDS = 30.0  # how long closing waits for a loading to end
ONE_AT_A_TIME = threading.Lock()  # two loadings in one process interfere with each other

# The files that diffusers loads if no variant such as fp16 is requested.
COUNTED_FILES = re.compile(r"(model|diffusion_pytorch_model)(-\d+-of-\d+)?\.safetensors")
UNCOUNTED_PARTS = ("safety_checker", "image_encoder")


@dataclass(frozen=True)
class ModelStatus:
    """The status of the model in use.

    ``seconds`` is the time since its loading began, and ``error`` says why it failed. During a download,
    ``fetched`` holds the number of bytes that are here and the total number of bytes.
    """

    name: str
    phase: Literal["none", "loading", "ready", "failed"]
    seconds: float = 0.0
    error: OneWordError | None = None
    fetched: tuple[int, int] | None = None


@dataclass(frozen=True)
class LoadOptions:
    """Options for another process to load the model in use: the same weights in the same precision."""

    name: str
    dtype: torch.dtype
    safety_checker: bool


@dataclass(frozen=True)
class MemoryNeed:
    """The bytes of a model's weights, None if unknown, and the free bytes on its device."""

    weights: float | None
    free: float

    @property
    def fits(self) -> bool:
        return self.weights is None or self.weights <= self.free


class ModelKeeper:
    """Holds the one loaded model, and loads another in a background thread.

    If ``safety_checker`` is False when a model is loaded, the model gets no safety checker.
    """

    def __init__(self) -> None:
        self.safety_checker = True
        self._changed = threading.Condition()  # guards the state below
        self._status = ModelStatus("", "none")
        self._started = 0.0
        self._fetched: tuple[int, int] | None = None
        self._loader: threading.Thread | None = None
        self._backbone: Backbone | None = None
        self._pace: Pace | None = None

    @property
    def status(self) -> ModelStatus:
        with self._changed:
            if self._status.phase != "loading":
                return self._status
            return replace(self._status, seconds=time.monotonic() - self._started, fetched=self._fetched)

    def load(self, name: str) -> None:
        """Begin to load a model that replaces the one in use; return at once.

        Raises :class:`ModelError` if the name cannot be a model, :class:`ConfigError` while another loads.
        """
        model_source(name)
        with self._changed:
            if self._status.phase == "loading":
                raise ConfigError(
                    "{model} is being loaded: wait for it, or cancel it first.", model=self._status.name
                )
            self._backbone = self._pace = self._fetched = None
            self._status, self._started = ModelStatus(name, "loading"), time.monotonic()
            self._loader = threading.Thread(
                target=self._load, args=(self._status,), name="model", daemon=True
            )
        self._loader.start()

    def cancel(self) -> None:
        """Cancel the current loading: a download stops, and a model that still finishes loading is dropped.

        The next loading begins when this one has ended.
        """
        with self._changed:
            if self._status.phase == "loading":
                self._status = ModelStatus(self._status.name, "none")
                self._changed.notify_all()

    def close(self) -> None:
        """Cancel the current loading and wait for its end: a program cannot exit during an import."""
        self.cancel()
        if self._loader is not None:
            self._loader.join(CLOSING_SECONDS)

    def wait(self) -> tuple[Backbone, Pace | None]:
        """Wait until the model is loaded; return it and its pace, which is None where training borrows a GPU.

        Raises :class:`ModelError` if no model is loaded, or if its loading failed or was cancelled.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._status.phase != "loading")
            if self._backbone is None:
                raise self._status.error or ModelError(
                    "No model is loaded: choose one at the top of the page."
                )
            return self._backbone, self._pace

    @property
    def backbone(self) -> Backbone | None:
        """Return the model if it is ready now, else None."""
        with self._changed:
            return self._backbone

    def load_options(self, backbone: Backbone) -> LoadOptions:
        """Return the options for another process to load ``backbone``, the model in use."""
        with self._changed:
            return LoadOptions(self._status.name, backbone.dtype, self.safety_checker)

    def _load(self, loading: ModelStatus) -> None:
        backbone, pace, error = None, None, None
        try:
            with ONE_AT_A_TIME:
                if self._status is not loading:  # cancelled while waiting
                    return
                device = device_here()
                free_unused_memory(device)  # the previous model's
                backbone = Backbone.load(
                    loading.name,
                    device=device.type,
                    dtype=dtype_on(device),
                    safety_checker=self.safety_checker,
                    on_fetch=partial(self._note_fetched, loading),
                    should_stop=lambda: self._status is not loading,
                )
                pace = None if ON_ZERO_GPU else measure_pace(backbone)
        except OneWordError as reason:
            backbone, error = None, reason
        except Exception as reason:
            log.exception("Loading %s failed", loading.name)
            backbone, error = (
                None,
                ModelError(
                    "The model {name} could not be loaded: {reason}", name=loading.name, reason=reason
                ),
            )
        with self._changed:
            if self._status is not loading:  # cancelled meanwhile
                return
            self._backbone, self._pace = backbone, pace
            phase: Literal["ready", "failed"] = "ready" if error is None else "failed"
            self._status = ModelStatus(loading.name, phase, time.monotonic() - self._started, error)
            self._changed.notify_all()

    def _note_fetched(self, loading: ModelStatus, done: int, total: int) -> None:
        with self._changed:
            if self._status is loading:
                self._fetched = (done, total) if done < total else None


def memory_need(name: str) -> MemoryNeed:
    """Estimate what a preset, folder or file needs in the precision used here, and the free memory."""
    device = device_here()
    preset = find_preset(name)
    parameters = preset.parameters * 1e6 if preset else count_parameters(Path(name))
    return MemoryNeed(parameters * dtype_on(device).itemsize if parameters else None, free_bytes(device))


def count_parameters(model: Path) -> int:
    """Count the parameters in a folder or a .safetensors file from the headers; 0 if none can be read."""
    is_file = model.suffix.lower() == ".safetensors" and model.is_file()
    files = [file for file in model.glob("*/*.safetensors") if COUNTED_FILES.fullmatch(file.name)]
    files = [model] if is_file else [file for file in files if file.parent.name not in UNCOUNTED_PARTS]
    try:
        return sum(_parameters_in(file) for file in files)
    except (OSError, SafetensorError):  # loading it will report the error
        return 0


def _parameters_in(file: Path) -> int:
    with safe_open(file, framework="pt") as tensors:
        return sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118


def device_here() -> torch.device:
    """Return this process's device; on ZeroGPU the CPU, because the GPU is lent to other processes."""
    return torch.device("cpu") if ON_ZERO_GPU else best_device()


def dtype_on(device: torch.device) -> torch.dtype:
    """Return the model's precision. On ZeroGPU it is the one for the GPU that will be lent."""
    return torch.bfloat16 if ON_ZERO_GPU else fastest_dtype(device)


def device_name(device: torch.device) -> str:
    """Name a device for the reader, such as “CPU” or “NVIDIA H100 (cuda)”."""
    if ON_ZERO_GPU:
        return "ZeroGPU"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    return device.type.upper()
