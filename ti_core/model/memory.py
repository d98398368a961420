"""Which parts of a model are on its device, and what gives way where the device's memory does not suffice.

There are three settings, each slower and smaller than the one before:

    ample     every part stays on the device
    sparing   the autoencoder and the safety checker only while they work; training keeps fewer intermediate
              results and computes them again (gradient checkpointing)
    least     every part only while it works, attention in slices, and one row or picture at a time

Which one comes first is chosen from what the weights need and what is free. When memory runs out all the
same, the work at hand is done again with the next one, which then stays. In every setting, what has no
part in training leaves the device when training begins, until it works again.
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
AT_REST: Mapping[Level, tuple[str, ...]] = {
    "ample": (),
    "sparing": ("vae", "safety_checker"),
    "least": ("vae", "safety_checker", "unet", "clip_l", "clip_h", "clip_g"),
}
"""The parts that are on the device only while they work."""
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
DECODING_BUFFERS = 6  # of a picture's size in the autoencoder's first width: what it needs at its widest
KEPT_FREE = 0.9  # the share of the free memory that is planned with
MEMORY_IS_FULL = Message(
    "The memory of the device is full: choose a smaller model, or close the programs that use it."
)
FULL_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Memory:
    """Keeps a model's parts on the device, or brings them there while they work.

    ``parts`` are its modules by name, on the CPU. ``on_remark`` is told when another setting was taken.
    """

    def __init__(self, device: torch.device, parts: Mapping[str, torch.nn.Module], decoding: float):
        """``decoding`` is how many bytes it takes to decode a picture."""
        self.device = device
        self.remarks: tuple[Message, ...] = ()
        self.on_remark: Callable[[Message], None] | None = None
        self._parts = dict(parts)
        self._at_work: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._checkpoints: dict[int, bool] = {}
        weights = {name: _bytes_of(module) for name, module in parts.items()}
        self.level: Level = affordable_level(device, weights, decoding)
        self._arrange()

    @contextmanager
    def at_work(self, *names: str) -> Iterator[None]:
        """Have these parts on the device while the context is open.

        Where gradients are taken they stay for the backward pass, until they work again without; and what is
        idle in training makes room.
        """
        with self._lock:
            self._at_work.update(names)
            if torch.is_grad_enabled():
                self._put_away(IDLE_IN_TRAINING)
            for name in names:
                self._move(name, self.device)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.subtract(names)
                if not torch.is_grad_enabled():
                    self._put_away(set(names).intersection(AT_REST[self.level]))

    def once_more(self, work: Callable[[], Result]) -> Result:
        """Do the work; where memory runs out, do it again with the next setting, down to the last."""
        while True:
            try:
                return work()
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.level == LEVELS[-1]:
                    raise
            # Not inside the handler, where the error still holds what the failed attempt had computed.
            self.fall_back()

    def fall_back(self) -> None:
        """Take the next setting, and say so."""
        with self._lock:
            self.level = LEVELS[LEVELS.index(self.level) + 1]
            self._arrange()
        self.remarks = (*self.remarks, REMARKS[self.level])
        if self.on_remark is not None:
            self.on_remark(self.remarks[-1])

    def asks_for_checkpointing(self, rows: int, bytes_per_row: Callable[[], float]) -> bool:
        """Whether the intermediate results of so many rows would not fit; decided once for each number."""
        if self.level != "ample":
            return True
        if rows not in self._checkpoints:
            self._checkpoints[rows] = rows * bytes_per_row() > KEPT_FREE * free_bytes(self.device)
        return self._checkpoints[rows]

    def _arrange(self) -> None:
        """Put every part where the setting wants it."""
        for name in self._parts:
            if name not in AT_REST[self.level]:
                self._move(name, self.device)
        self._put_away(AT_REST[self.level])
        if self.level == "least" and self.device.type != "cuda":  # whose attention needs no slices
            denoiser: Any = self._parts["unet"]
            denoiser.set_attention_slice("auto")
        release(self.device)

    def _put_away(self, names: Iterable[str]) -> None:
        """Move those of the parts that are not at work off the device."""
        for name in names:
            if not self._at_work[name]:
                self._move(name, torch.device("cpu"))

    def _move(self, name: str, device: torch.device) -> None:
        if name in self._parts and next(self._parts[name].parameters()).device.type != device.type:
            self._parts[name].to(device)


def affordable_level(device: torch.device, weights: Mapping[str, float], decoding: float) -> Level:
    """The setting whose weights fit beside the decoding of a picture; on a CPU they are there already."""
    if device.type == "cpu":
        return "ample"
    free = KEPT_FREE * free_bytes(device) - decoding
    for level in LEVELS[:-1]:
        if sum(size for name, size in weights.items() if name not in AT_REST[level]) <= free:
            return level
    return LEVELS[-1]


def free_bytes(device: torch.device) -> float:
    """What the device has left, with what torch holds for reuse."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return float(psutil.virtual_memory().available)


def release(device: torch.device) -> None:
    """Give back what nothing uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def kept_bytes(forward: Callable[[], object], weights: torch.nn.Module) -> int:
    """What a forward pass keeps for the backward one, without the weights themselves."""
    own = {parameter.untyped_storage().data_ptr() for parameter in weights.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()  # held until the count is complete, so that no two results share an address
    del result
    return sum(kept.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is torch's for a full memory: of its own type on CUDA, told by its text elsewhere."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in FULL_MEMORY)


@contextmanager
def out_of_memory_as(error_type: type[OneWordError], message: Message) -> Iterator[None]:
    """Raise ``error_type`` with the message where the device's memory does not suffice."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise error_type(message) from error


def _bytes_of(module: torch.nn.Module) -> int:
    return sum(values.numel() * values.element_size() for values in module.state_dict().values())
