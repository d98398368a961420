"""Decide which parts of a model are on its device, and trade speed for memory when the device is too small.

There are three levels, each slower than the one before and needing less memory:

    ample     every part stays on the device
    sparing   the autoencoder and the safety checker are on the device only while in use; training uses
              gradient checkpointing
    least     every part is on the device only while in use, attention is sliced, and one row or picture is
              computed at a time

The first level is chosen from the size of the weights and the free memory. If memory runs out anyway, the
current work is repeated at the next level, which then stays in force. At every level, the parts that training
does not need leave the device when training begins, and return when they are next used.
"""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import psutil  # type: ignore[import-untyped]
import torch

from ti_core.errors import OneWordError
from ti_core.messages import Message

Level = Literal["ample", "sparing", "least"]
Result = TypeVar("Result")

LEVELS: tuple[Level, ...] = ("ample", "sparing", "least")
OFFLOADED: Mapping[Level, tuple[str, ...]] = {
    "ample": (),
    "sparing": ("vae", "safety_checker"),
    "least": ("vae", "safety_checker", "unet", "clip_l", "clip_h", "clip_g"),
}
"""The parts that are on the device only while they are in use."""
IDLE_IN_TRAINING = ("vae", "safety_checker")
REMARKS: Mapping[Level, Message] = {
    "sparing": Message(
        "The memory of the device was full: the autoencoder now rests beside it, and training keeps less "
        "and computes more."
    ),
    "least": Message(
        "The memory of the device was full: every part of the model now rests beside it, and pictures are "
        "computed one at a time."
    ),
}
DECODING_BUFFERS = 6  # full-size feature maps, of the autoencoder's first width, that decoding needs at once
USABLE_SHARE = 0.9  # share of the free memory that may be used; the rest is a safety margin
MEMORY_IS_FULL = Message(
    "The memory of the device is full: choose a smaller model, or close the programs that use it."
)
OUT_OF_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "not enough memory")


class Memory:
    """Keeps a model's parts on the device, or brings them there while they are in use.

    ``parts`` are the model's modules by name, on the CPU. ``on_remark`` is called with a message each time
    the level is lowered.
    """

    def __init__(self, device: torch.device, parts: Mapping[str, torch.nn.Module], decoding: float):
        """``decoding`` is the number of bytes that decoding a picture takes."""
        self.device = device
        self.remarks: tuple[Message, ...] = ()
        self.on_remark: Callable[[Message], None] | None = None
        self._parts = dict(parts)
        self._in_use: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._checkpoints: dict[int, bool] = {}
        weights = {name: _bytes_of(module) for name, module in parts.items()}
        self.level: Level = affordable_level(device, weights, decoding)
        self._arrange()

    @contextmanager
    def on_device(self, *names: str) -> Iterator[None]:
        """Keep these parts on the device while the context is open.

        With gradients enabled, the parts stay afterwards for the backward pass, until they are next used
        without gradients; the parts that are idle in training leave the device to make room.
        """
        with self._lock:
            self._in_use.update(names)
            if torch.is_grad_enabled():
                self._offload(IDLE_IN_TRAINING)
            for name in names:
                self._move(name, self.device)
        try:
            yield
        finally:
            with self._lock:
                self._in_use.subtract(names)
                if not torch.is_grad_enabled():
                    self._offload(set(names).intersection(OFFLOADED[self.level]))

    def with_fallback(self, work: Callable[[], Result]) -> Result:
        """Return ``work()``; if memory runs out, lower the level and try again, down to the last level."""
        while True:
            try:
                return work()
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.level == LEVELS[-1]:
                    raise
            # Outside the handler: there, the error's traceback still holds the failed attempt's tensors.
            self.fall_back()

    def fall_back(self) -> None:
        """Lower the level by one, and report it."""
        with self._lock:
            self.level = LEVELS[LEVELS.index(self.level) + 1]
            self._arrange()
        self.remarks = (*self.remarks, REMARKS[self.level])
        if self.on_remark is not None:
            self.on_remark(self.remarks[-1])

    def needs_checkpointing(self, rows: int, bytes_per_row: Callable[[], float]) -> bool:
        """Whether a training pass of ``rows`` rows needs gradient checkpointing.

        At the first level this depends on the free memory when that number of rows was first asked for.
        """
        if self.level != "ample":
            return True
        if rows not in self._checkpoints:
            self._checkpoints[rows] = rows * bytes_per_row() > USABLE_SHARE * free_bytes(self.device)
        return self._checkpoints[rows]

    def _arrange(self) -> None:
        """Move every part to where the level wants it."""
        for name in self._parts:
            if name not in OFFLOADED[self.level]:
                self._move(name, self.device)
        self._offload(OFFLOADED[self.level])
        if self.level == "least" and self.device.type != "cuda":  # CUDA's attention needs no slicing
            denoiser: Any = self._parts["unet"]
            denoiser.set_attention_slice("auto")
        free_unused_memory(self.device)

    def _offload(self, names: Iterable[str]) -> None:
        """Move these parts to the CPU, except those in use."""
        for name in names:
            if not self._in_use[name]:
                self._move(name, torch.device("cpu"))

    def _move(self, name: str, device: torch.device) -> None:
        if name in self._parts and next(self._parts[name].parameters()).device.type != device.type:
            self._parts[name].to(device)


def affordable_level(device: torch.device, weights: Mapping[str, float], decoding: float) -> Level:
    """The first level at which the weights and the decoding of a picture fit; "ample" on a CPU.

    ``weights`` and ``decoding`` are bytes.
    """
    if device.type == "cpu":
        return "ample"
    free = USABLE_SHARE * free_bytes(device) - decoding
    for level in LEVELS[:-1]:
        if sum(size for name, size in weights.items() if name not in OFFLOADED[level]) <= free:
            return level
    return LEVELS[-1]


def free_bytes(device: torch.device) -> float:
    """The free bytes on the device, including memory that torch has cached for reuse."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return float(psutil.virtual_memory().available)


def free_unused_memory(device: torch.device) -> None:
    """Collect garbage, and return torch's cached memory to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def activation_bytes(forward: Callable[[], object], weights: torch.nn.Module) -> int:
    """The bytes that a forward pass saves for the backward pass, not counting ``weights``."""
    own = {parameter.untyped_storage().data_ptr() for parameter in weights.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()  # kept alive, so that no two saved tensors get the same address
    del result
    return sum(kept.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch raised the error because memory ran out.

    CUDA has an error type for this; on other devices only the text of the error tells.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in OUT_OF_MEMORY_TEXTS)


@contextmanager
def out_of_memory_as(error_type: type[OneWordError], message: Message) -> Iterator[None]:
    """Turn an out-of-memory error of torch into an ``error_type`` with this message."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise error_type(message) from error


def _bytes_of(module: torch.nn.Module) -> int:
    return sum(values.numel() * values.element_size() for values in module.state_dict().values())
