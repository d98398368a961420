"""Messages to a person: a template and its values, formatted only where they are shown.

An error, a remark on a picture or a difference between two runs carries a :class:`Message`. Its ``str`` is
the English sentence; :mod:`ti_core.languages` translates it by looking up the template in a catalogue. Values
that are the program's own words (a setting, a choice, another message, a list of these) are translated with
it, so the program never needs to parse a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Translate = Callable[[str, str], str]
"""Maps an English template and its context ("" for none) to the template in another language."""


class Message:
    """A template in the syntax of :meth:`str.format`, and the values of its placeholders.

    ``context`` distinguishes equal templates whose translations differ (gettext's ``msgctxt``).
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
    """Several values for one placeholder, joined by ``joint``, which is translated too."""

    items: tuple[Any, ...]
    joint: str

    def __str__(self) -> str:
        return str(in_words(self, in_english))


Said = Message | Listing | str
"""Anything that can be shown to a person; plain text is the same in every language."""


def template(text: str) -> str:
    """Return ``text``, marked as a template for the catalogues, where it is not an argument of a message."""
    return text


def either(items: Iterable[Any]) -> Listing:
    """Join items by "or"."""
    return Listing(tuple(items), " or ")


def both(items: Iterable[Any]) -> Listing:
    """Join items by "and"."""
    return Listing(tuple(items), " and ")


def series(items: Iterable[Any]) -> Listing:
    """Join items by commas."""
    return Listing(tuple(items), ", ")


def clauses(items: Iterable[Any]) -> Listing:
    """Join items, which are clauses, by semicolons."""
    return Listing(tuple(items), "; ")


def sentences(items: Iterable[Any]) -> Listing:
    """Join items, which are whole sentences, by spaces."""
    return Listing(tuple(items), " ")


def setting(name: str) -> Message:
    """The name of a setting, translated for the reader."""
    return Message(name, context="setting")


def choice(name: str) -> Message:
    """One of a setting's possible values; a translation keeps it as it must be typed and may explain it."""
    return Message(name, context="choice")


def value(given: object) -> Message | str:
    """The value of a setting, which is translated only if it is one of the program's own words."""
    text = repr(given)
    return Message(text, context="value") if text in TERMS["value"] else text


def in_words(said: Any, translate: Translate) -> Any:
    """Format a message, an error or a listing by ``translate``; return any other value unchanged."""
    said = _plain(said)
    if isinstance(said, Message):
        values = {name: in_words(given, translate) for name, given in said.values.items()}
        return translate(said.template, said.context).format(**values)
    if isinstance(said, Listing):
        joint = translate(said.joint, "joint")
        return joint.join(str(in_words(item, translate)) for item in said.items)
    return said


def _plain(given: Any) -> Any:
    """Replace an error by its message, so that no message keeps a traceback alive; keep anything else."""
    if not isinstance(given, BaseException):
        return given
    message = getattr(given, "message", None)  # an attribute of the core's own errors
    return message if isinstance(message, Message | Listing) else str(given)


def in_english(template: str, context: str) -> str:
    """Return the template unchanged: the :data:`Translate` of English."""
    return template


def renamed(said: Any, old: str, new: str) -> Any:
    """Copy a message, replacing ``old`` by ``new`` in all of its values, for example a folder's path."""
    if isinstance(said, Message):
        values = {name: renamed(given, old, new) for name, given in said.values.items()}
        return Message(said.template, context=said.context, **values)
    if isinstance(said, Listing):
        return Listing(tuple(renamed(item, old, new) for item in said.items), said.joint)
    return str(said).replace(old, new) if isinstance(said, str | Path) else said


def to_json(said: Any) -> Any:
    """Convert a message and everything in it to JSON-ready values."""
    if isinstance(said, Message):
        values = {name: to_json(given) for name, given in said.values.items()}
        return {"template": said.template, "context": said.context, "values": values}
    if isinstance(said, Listing):
        return {"joint": said.joint, "items": [to_json(item) for item in said.items]}
    return said if isinstance(said, str | int | float | None) else str(said)


def from_json(stored: Any) -> Any:
    """Restore what :func:`to_json` converted. Raises :class:`KeyError` or :class:`TypeError` if it cannot."""
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
"""The program's own words that are inserted into messages, by their context."""
