"""What the program says to a person: a template and its values, put into words only where they are shown.

An error, a remark on a picture or a difference between two runs carries a :class:`Message`. Its ``str`` is
the English sentence; :mod:`ti_core.languages` puts it into another language by looking up the template.
Values that are words of the program themselves (a setting, a choice, another message, a list of them) are
translated with it, so nothing is ever read back out of a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Translate = Callable[[str, str], str]
"""Takes an English template and its context, "" for none; gives the template of another language."""


class Message:
    """A template in the form of :meth:`str.format`, and the values of its placeholders.

    ``context`` tells two equal templates apart whose translations differ (gettext's ``msgctxt``).
    """

    __slots__ = ("context", "template", "values")

    def __init__(self, template: str, /, *, context: str = "", **values: Any):
        self.template = template
        self.context = context
        self.values: Mapping[str, Any] = {name: _plain(given) for name, given in values.items()}

    def __str__(self) -> str:
        return str(in_words(self, in_english))

    def __repr__(self) -> str:
        return f"Message({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.template, self.context, self.values) == (other.template, other.context, other.values)

    def __hash__(self) -> int:
        return hash((self.template, self.context))


@dataclass(frozen=True)
class Listing:
    """Several values in one placeholder, with a joining word of the reader's language between them."""

    items: tuple[Any, ...]
    joint: str

    def __str__(self) -> str:
        return str(in_words(self, in_english))


Said = Message | Listing | str
"""What can be told to a person; a plain text stays as it is in every language."""


def template(text: str) -> str:
    """Mark a template that stands apart from the message that will be made of it, for the catalogues."""
    return text


def either(items: Iterable[Any]) -> Listing:
    """The items with "or" between them."""
    return Listing(tuple(items), " or ")


def both(items: Iterable[Any]) -> Listing:
    """The items with "and" between them."""
    return Listing(tuple(items), " and ")


def series(items: Iterable[Any]) -> Listing:
    """The items with commas between them."""
    return Listing(tuple(items), ", ")


def clauses(items: Iterable[Any]) -> Listing:
    """The items, parts of a sentence themselves, with semicolons between them."""
    return Listing(tuple(items), "; ")


def sentences(items: Iterable[Any]) -> Listing:
    """Whole sentences, one after the other."""
    return Listing(tuple(items), " ")


def setting(name: str) -> Message:
    """The name of a setting, as a person reads it."""
    return Message(name, context="setting")


def choice(name: str) -> Message:
    """One of the values that a setting can have, as it has to be written, with what it means."""
    return Message(name, context="choice")


def value(given: object) -> Message | str:
    """A setting's value as a person reads it: only the program's own words are translated."""
    text = repr(given)
    return Message(text, context="value") if text in TERMS["value"] else text


def in_words(said: Any, translate: Translate) -> Any:
    """A message, an error, a listing or any other value as it is put into a sentence."""
    said = _plain(said)
    if isinstance(said, Message):
        values = {name: in_words(given, translate) for name, given in said.values.items()}
        return translate(said.template, said.context).format(**values)
    if isinstance(said, Listing):
        joint = translate(said.joint, "joint")
        return joint.join(str(in_words(item, translate)) for item in said.items)
    return said


def _plain(given: Any) -> Any:
    """An error as what it says, so that no message keeps its traceback alive; anything else as it is."""
    if not isinstance(given, BaseException):
        return given
    message = getattr(given, "message", None)  # which the core's own errors have
    return message if isinstance(message, Message | Listing) else str(given)


def in_english(template: str, context: str) -> str:
    """The template as it stands in the code."""
    return template


def renamed(said: Any, old: str, new: str) -> Any:
    """The same message with ``new`` in place of ``old``, such as a folder's path, in all of its values."""
    if isinstance(said, Message):
        values = {name: renamed(given, old, new) for name, given in said.values.items()}
        return Message(said.template, context=said.context, **values)
    if isinstance(said, Listing):
        return Listing(tuple(renamed(item, old, new) for item in said.items), said.joint)
    return str(said).replace(old, new) if isinstance(said, str | Path) else said


def to_json(said: Any) -> Any:
    """A message and all that it is made of, as JSON has it."""
    if isinstance(said, Message):
        values = {name: to_json(given) for name, given in said.values.items()}
        return {"template": said.template, "context": said.context, "values": values}
    if isinstance(said, Listing):
        return {"joint": said.joint, "items": [to_json(item) for item in said.items]}
    return said if isinstance(said, str | int | float | None) else str(said)


def from_json(stored: Any) -> Any:
    """Read what :func:`to_json` gave. Raises :class:`KeyError` or :class:`TypeError` for anything else."""
    if not isinstance(stored, Mapping):
        return stored
    if "joint" in stored:
        return Listing(tuple(from_json(item) for item in stored["items"]), stored["joint"])
    values = {name: from_json(given) for name, given in stored["values"].items()}
    return Message(stored["template"], context=stored["context"], **values)


CHOICES = ("object", "style", "constant", "linear", "cosine", "free", "fixed", "auto", "never")
TERMS: Mapping[str, tuple[str, ...]] = {
    "setting": (
        *("token", "kind", "initializer", "vectors", "steps", "batch_size", "gradient_accumulation"),
        *("learning_rate", "lr_schedule", "lr_warmup_steps", "max_grad_norm", "norm_control", "snr_gamma"),
        *("timestep_bias", "flip", "use_mask", "gradient_checkpointing", "stop", "stop_window"),
        *("stop_threshold", "eval_every", "eval_rows", "preview_every", "checkpoint_every", "seed"),
        *("prompt", "negative_prompt", "count", "guidance_scale", "scheduler", "width", "height", "strength"),
        *("weight", "model", "model_family", "concepts", "source_sha256", "software"),
    ),
    "choice": CHOICES,
    "value": ("True", "False", "None", *map(repr, CHOICES)),
    "joint": (" or ", " and ", ", ", "; ", " "),
}
"""The words of the program that messages are made of, by their context."""
