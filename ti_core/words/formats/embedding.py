"""A word as read from an embedding file, and its conversion to a :class:`~ti_core.words.concept.Concept`.

Other formats have no place for some facts about a concept, such as its base model or its initializer. This
program adds them under a key of its own; they are called facts here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ti_core.config import KINDS
from ti_core.errors import ConceptError, IncompatibleConceptError, ModelError, TokenNameError
from ti_core.messages import Said, both
from ti_core.model.base import BaseModel
from ti_core.model.families import Family
from ti_core.model.presets import PRESETS, ModelPreset, preset_of
from ti_core.prompts.names import token_for_name
from ti_core.prompts.templates import Kind
from ti_core.words.concept import Concept
from ti_core.words.formats.contents import SHOWN_LENGTH

CLIP_L_WIDTH, CLIP_H_WIDTH, CLIP_G_WIDTH = 768, 1024, 1280
WIDTHS: Mapping[Family, Mapping[str, int]] = {
    "sd1": {"clip_l": CLIP_L_WIDTH},
    "sd2": {"clip_h": CLIP_H_WIDTH},
    "sdxl": {"clip_l": CLIP_L_WIDTH, "clip_g": CLIP_G_WIDTH},
}
ENCODERS = {CLIP_L_WIDTH: "clip_l", CLIP_H_WIDTH: "clip_h", CLIP_G_WIDTH: "clip_g"}
FAMILY_NAMES: Mapping[Family, str] = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
}
FACTS_KEY = "one-word"  # of the facts, in formats that tolerate unknown keys
FACTS_VERSION = 1
MAX_FACT_LENGTH = 200


@dataclass(frozen=True)
class Embedding:
    """A word as read from an embedding file; fields about which the file says nothing are empty.

    ``vectors`` are float32 (n, d) for each text encoder: ``clip_l``, ``clip_h`` (SD 2), ``clip_g``. A format
    for one encoder does not name it, so it is inferred from the width; an unknown width counts as ``clip_l``.
    """

    vectors: Mapping[str, torch.Tensor]
    source: str
    """The program or format that wrote the file, such as "A1111 .pt"."""
    name: str = ""
    """The word's name inside the file."""
    file_name: str = ""
    """The file's name without its suffix, which many programs use as the word."""
    kind: Kind | None = None
    model: str = ""
    """The base model's name inside the file."""
    base: BaseModel | None = None
    """The full description of the base model, if this program wrote the file."""
    initializer: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[Said, ...] = ()
    """Sentences about what the user should know."""

    @property
    def widths(self) -> dict[str, int]:
        """The width d of the vectors, by text encoder."""
        return {encoder: rows.shape[1] for encoder, rows in self.vectors.items()}

    @property
    def base_is_guessed(self) -> bool:
        """Whether the base model can only be inferred from the width of the vectors."""
        return self.base is None and not self.model


def by_encoder(rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Put vectors (n, d) under the name of the text encoder, which is inferred from their width."""
    return {ENCODERS.get(rows.shape[1], "clip_l"): rows}


def to_concept(
    embedding: Embedding,
    *,
    token: str | None = None,
    base: BaseModel | None = None,
    kind: Kind | None = None,
) -> Concept:
    """Convert an embedding to a concept; a token, base model or kind given here overrides the file's.

    If neither gives a base model, the first preset with vectors of that width is assumed.
    Raises :class:`IncompatibleConceptError` if the vectors do not fit the base model,
    :class:`TokenNameError` if no name can become a token, and :class:`ConceptError` if no base model is known
    for the width.
    """
    chosen_token = _token(embedding) if token is None else token_for_name(token)
    chosen_base = base or embedding.base or _infer_base(embedding)
    return Concept(
        chosen_token,
        _vectors_for(chosen_base, embedding, chosen_token),
        kind or embedding.kind or "object",
        chosen_base,
        embedding.initializer,
        embedding.training,
    )


def to_concepts(
    embeddings: Sequence[Embedding],
    source: str,
    *,
    token: str | None = None,
    base: BaseModel | None = None,
) -> list[Concept]:
    """Convert the words of a file or folder, called ``source`` in errors, to concepts.

    Raises the errors of :func:`to_concept`, and :class:`ConceptError` if two concepts get the same token.
    """
    concepts = [to_concept(embedding, token=token, base=base) for embedding in embeddings]
    tokens = [concept.token for concept in concepts]
    for own in tokens:
        if tokens.count(own) > 1:
            raise ConceptError(
                "{name} holds {token} more than once: give its words other names, or take its files one by "
                "one.",
                name=source,
                token=own,
            )
    return concepts


def find_base_model(name: str) -> BaseModel:
    """Return the base model for a preset's name, or a family's name, which stands for its first preset.

    Raises :class:`ModelError` if there is no such name.
    """
    preset = preset_of(name)
    if preset is None and name in WIDTHS:
        preset = next(
            each for each in PRESETS if each.family == name and _widths(each) == WIDTHS[each.family]
        )
    if preset is None:
        names = ", ".join([*WIDTHS, *(each.name for each in PRESETS)])
        raise ModelError(
            "There is no base model called {name}: choose {names}.", name=name[:SHOWN_LENGTH], names=names
        )
    return BaseModel(preset.name, preset.family, _widths(preset))


def _widths(preset: ModelPreset) -> Mapping[str, int]:
    """Return the width of each text encoder; the embedded model's differs from that of its family."""
    config = Path(preset.source) / "text_encoder" / "config.json"
    if not config.is_file():
        return WIDTHS[preset.family]
    return {"clip_l": json.loads(config.read_text(encoding="utf-8"))["hidden_size"]}


# --- what the file does not say ---------------------------------------------------------------------------


def _token(embedding: Embedding) -> str:
    """Make a token of the word's name inside the file or, if that is impossible, of the file's name."""
    for name in (embedding.name, embedding.file_name):
        try:
            return token_for_name(name)
        except TokenNameError as error:
            reason = error
    raise reason


def _infer_base(embedding: Embedding) -> BaseModel:
    """Infer the base model from the name in the file and the width of the vectors.

    A preset of that name is used if its widths fit. An unknown name is kept, with the family of the first
    preset that fits; otherwise that preset itself is used.
    """
    widths = list(embedding.widths.values())
    known = {preset.name: BaseModel(preset.name, preset.family, _widths(preset)) for preset in PRESETS}
    fitting = [base for base in known.values() if list(base.widths.values()) == widths]
    if not fitting:
        raise _no_model(embedding)
    preset = preset_of(embedding.model)
    if preset is not None and known[preset.name] in fitting:
        return known[preset.name]
    if preset is not None or not embedding.model:
        return fitting[0]
    return BaseModel(embedding.model, fitting[0].family, fitting[0].widths)


def _no_model(embedding: Embedding) -> ConceptError:
    widths = list(embedding.widths.values())
    if widths == [CLIP_G_WIDTH]:
        return ConceptError(
            "Its vectors of 1280 numbers are the second half of a word for Stable Diffusion XL, without the "
            "first, or a word for the paper's own model, which is none of those here: put both halves into "
            "one folder or .zip, and give that."
        )
    return ConceptError(
        "No known model takes vectors of {widths} numbers: say which base model they are for.",
        widths=both(widths),
    )


def _vectors_for(base: BaseModel, embedding: Embedding, token: str) -> Mapping[str, torch.Tensor]:
    """Return the vectors under the names of the base model's text encoders.

    Raises :class:`IncompatibleConceptError` if their widths do not fit.
    """
    vectors, widths = embedding.vectors, embedding.widths
    if len(vectors) == len(base.widths) == 1:
        vectors = dict(zip(base.widths, vectors.values(), strict=True))
        widths = dict(zip(base.widths, widths.values(), strict=True))
    if widths == dict(base.widths):
        return vectors
    fitting = [
        name
        for family, name in FAMILY_NAMES.items()
        if list(WIDTHS[family].values()) == list(widths.values())
    ]
    if fitting:
        raise IncompatibleConceptError(
            "{token} has vectors of {widths} numbers, but {model} ({family}) takes {wanted}: choose a model "
            "of {fitting}.",
            token=token,
            widths=_format_widths(widths),
            model=base.id,
            family=base.family,
            wanted=_format_widths(base.widths),
            fitting=fitting[0],
        )
    raise IncompatibleConceptError(
        "{token} has vectors of {widths} numbers, but {model} ({family}) takes {wanted}: choose the model "
        "that it was learned on.",
        token=token,
        widths=_format_widths(widths),
        model=base.id,
        family=base.family,
        wanted=_format_widths(base.widths),
    )


def _format_widths(widths: Mapping[str, int]) -> str:
    return " + ".join(str(width) for width in widths.values())


# --- facts that only this program writes ------------------------------------------------------------------


def to_facts(concept: Concept) -> str:
    """Return the facts for which other formats have no place, as ASCII JSON."""
    return json.dumps(
        {
            "version": FACTS_VERSION,
            "token": concept.token,
            "kind": concept.kind,
            "base": {
                "id": concept.base.id,
                "family": concept.base.family,
                "widths": dict(concept.base.widths),
                "fingerprint": concept.base.fingerprint,
            },
            "initializer": concept.initializer,
            "steps": steps_of(concept),
        }
    )


def read_facts(text: str) -> dict[str, Any]:
    """Read what :func:`to_facts` wrote as fields of :class:`Embedding`; {} if it is damaged."""
    try:
        values = json.loads(text)
        steps = values["steps"]
        return {
            "name": read_text(values["token"]),
            "kind": KINDS[KINDS.index(values["kind"])],
            "base": read_base(values["base"]),
            "initializer": read_text(values["initializer"]),
            "training": {} if steps is None else {"steps": read_steps(steps)},
        }
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, ConceptError):
        return {}


def with_facts(card: str, concept: Concept) -> str:
    """Append the facts to a card, in an HTML comment; the characters < > & are escaped."""
    facts = re.sub("[<>&]", lambda sign: f"\\u{ord(sign[0]):04x}", to_facts(concept))
    return f"{card}\n<!-- {FACTS_KEY}: {facts} -->\n"


def read_facts_of_card(card: str) -> dict[str, Any]:
    """Read the facts that :func:`with_facts` wrote, as :func:`read_facts` does."""
    match = re.search(rf"^<!-- {FACTS_KEY}: (.*) -->$", card, re.MULTILINE)
    return read_facts(match[1]) if match else {}


def check_facts(concept: Concept) -> None:
    """Raise :class:`ConceptError` if an untrusted concept has facts that this program never writes."""
    read_base(vars(concept.base))
    read_text(concept.initializer)
    read_training(concept.training)


def read_base(values: Mapping[str, Any]) -> BaseModel:
    """Read a base model. Raises :class:`ConceptError` if the values describe none."""
    family, widths = values["family"], values["widths"]
    if (
        family not in WIDTHS
        or list(widths) != list(WIDTHS[family])
        or any(type(w) is not int for w in widths.values())
    ):
        raise ConceptError("What it says of its base model is damaged: download or export it again.")
    return BaseModel(read_text(values["id"]), family, dict(widths), read_text(values["fingerprint"]))


def read_training(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values if they can be written as UTF-8.

    Raises :class:`ConceptError` for a lone surrogate, which JSON allows.
    """
    try:
        json.dumps(dict(values), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConceptError("What it says of its training is damaged: download or export it again.") from error
    return values


def read_steps(value: Any) -> int:
    """Return the value if it is a number of steps, else raise :class:`ConceptError`."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ConceptError("What it says of its training is damaged: download or export it again.")
    return value


def read_text(value: Any) -> str:
    """Return the value if it is a short printable line of text, else raise :class:`ConceptError`."""
    if not isinstance(value, str) or len(value) > MAX_FACT_LENGTH or not value.isprintable():
        raise ConceptError("What it says of itself is damaged: download or export it again.")
    return value


def steps_of(concept: Concept) -> int | None:
    """Return the number of training steps, or None if it is not recorded."""
    steps = concept.training.get("steps")
    return steps if type(steps) is int else None
