"""A word as a file told it, and the way from there to a :class:`~ti_core.words.concept.Concept`."""

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
FACTS_KEY = "one-word"  # where a format has a place for more than it needs itself
FACTS_VERSION = 1
MAX_FACT_LENGTH = 200


@dataclass(frozen=True)
class Embedding:
    """A word as a file told it; what it did not tell is empty.

    ``vectors`` are float32 (n, d) for each text encoder: ``clip_l``, ``clip_h`` (SD 2), ``clip_g``. A format
    with one encoder does not name it; its width does, and one of an unknown width is called ``clip_l``.
    """

    vectors: Mapping[str, torch.Tensor]
    source: str
    """What wrote the file, such as "A1111 .pt"."""
    name: str = ""
    """The word in the file."""
    file_name: str = ""
    """The file's own name, without its ending: the word in many programs."""
    kind: Kind | None = None
    model: str = ""
    """The name of the base model in the file."""
    base: BaseModel | None = None
    """All about the base model, where this program wrote it down."""
    initializer: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[Said, ...] = ()
    """Sentences on what a person should know."""

    @property
    def widths(self) -> dict[str, int]:
        return {encoder: rows.shape[1] for encoder, rows in self.vectors.items()}

    @property
    def base_is_guessed(self) -> bool:
        """Whether nothing but the width tells the base model."""
        return self.base is None and not self.model


def one_encoder(rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """Vectors (n, d) under the name of the encoder that their width tells."""
    return {ENCODERS.get(rows.shape[1], "clip_l"): rows}


def to_concept(
    embedding: Embedding,
    *,
    token: str | None = None,
    base: BaseModel | None = None,
    kind: Kind | None = None,
) -> Concept:
    """The concept that an embedding is, with the token, base model and kind given, or as the file says.

    Without a base model the one that the file names is taken, else the first preset of that width. Raises
    :class:`IncompatibleConceptError` if the vectors do not fit it, :class:`TokenNameError` if there is no
    name that can be a token, :class:`ConceptError` if no base model is known for the width.
    """
    chosen_token = _token(embedding) if token is None else token_for_name(token)
    chosen_base = base or embedding.base or _named_or_guessed(embedding)
    return Concept(
        chosen_token,
        _placed(embedding, chosen_token, chosen_base),
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
    """The concepts that the words of a file or folder called ``source`` are.

    Raises as :func:`to_concept`, and :class:`ConceptError` if two of them have one token.
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


def base_called(name: str) -> BaseModel:
    """The base model of a preset or, as its first preset, of a family. Raises :class:`ModelError`."""
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
    """Those of the family, but for the embedded model, which is smaller than any other."""
    config = Path(preset.source) / "text_encoder" / "config.json"
    if not config.is_file():
        return WIDTHS[preset.family]
    return {"clip_l": json.loads(config.read_text(encoding="utf-8"))["hidden_size"]}


# --- what the file leaves open ----------------------------------------------------------------------------


def _token(embedding: Embedding) -> str:
    """The word in the file if it can be a token, else the file's name."""
    for name in (embedding.name, embedding.file_name):
        try:
            return token_for_name(name)
        except TokenNameError as error:
            reason = error
    raise reason


def _named_or_guessed(embedding: Embedding) -> BaseModel:
    """The model that the file names, of the family that the widths tell; without a name, a preset of it."""
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


def _placed(embedding: Embedding, token: str, base: BaseModel) -> Mapping[str, torch.Tensor]:
    """The vectors under the names of the base model's encoders."""
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
            widths=_shown(widths),
            model=base.id,
            family=base.family,
            wanted=_shown(base.widths),
            fitting=fitting[0],
        )
    raise IncompatibleConceptError(
        "{token} has vectors of {widths} numbers, but {model} ({family}) takes {wanted}: choose the model "
        "that it was learned on.",
        token=token,
        widths=_shown(widths),
        model=base.id,
        family=base.family,
        wanted=_shown(base.widths),
    )


def _shown(widths: Mapping[str, int]) -> str:
    return " + ".join(str(width) for width in widths.values())


# --- facts that only this program writes ------------------------------------------------------------------


def to_facts(concept: Concept) -> str:
    """What foreign formats have no place for, as JSON in ASCII."""
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
    """The fields of an :class:`Embedding` in what :func:`to_facts` wrote; nothing if it is damaged."""
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
    """A card with the facts behind it, as a comment in which nothing has a meaning in HTML."""
    facts = re.sub("[<>&]", lambda sign: f"\\u{ord(sign[0]):04x}", to_facts(concept))
    return f"{card}\n<!-- {FACTS_KEY}: {facts} -->\n"


def read_facts_of_card(card: str) -> dict[str, Any]:
    """As :func:`read_facts`, of what :func:`with_facts` wrote."""
    match = re.search(rf"^<!-- {FACTS_KEY}: (.*) -->$", card, re.MULTILINE)
    return read_facts(match[1]) if match else {}


def check_facts(concept: Concept) -> None:
    """Raises :class:`ConceptError` if a foreign concept says of itself what is never written here."""
    read_base(vars(concept.base))
    read_text(concept.initializer)
    read_training(concept.training)


def read_base(values: Mapping[str, Any]) -> BaseModel:
    """Raises :class:`ConceptError` if they describe no base model."""
    family, widths = values["family"], values["widths"]
    if (
        family not in WIDTHS
        or list(widths) != list(WIDTHS[family])
        or any(type(w) is not int for w in widths.values())
    ):
        raise ConceptError("What it says of its base model is damaged: download or export it again.")
    return BaseModel(read_text(values["id"]), family, dict(widths), read_text(values["fingerprint"]))


def read_training(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises :class:`ConceptError` if they hold what no file can: half of a letter, as JSON allows it."""
    try:
        json.dumps(dict(values), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConceptError("What it says of its training is damaged: download or export it again.") from error
    return values


def read_steps(value: Any) -> int:
    """Raises :class:`ConceptError` if it is no number of steps."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise ConceptError("What it says of its training is damaged: download or export it again.")
    return value


def read_text(value: Any) -> str:
    """Raises :class:`ConceptError` if it is no text of one line."""
    if not isinstance(value, str) or len(value) > MAX_FACT_LENGTH or not value.isprintable():
        raise ConceptError("What it says of itself is damaged: download or export it again.")
    return value


def steps_of(concept: Concept) -> int | None:
    """For how many steps it was trained, if it says so."""
    steps = concept.training.get("steps")
    return steps if type(steps) is int else None
