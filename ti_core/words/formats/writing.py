"""Write concepts in the layouts of other programs; :mod:`ti_core.words.formats.reading` reads them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import save_file

from ti_core.errors import ConceptError
from ti_core.files import write_text_whole, write_whole
from ti_core.messages import series
from ti_core.model.presets import find_preset
from ti_core.words.card import concept_card
from ti_core.words.concept import EMBEDDING_FILES, Concept
from ti_core.words.folder import save_concept
from ti_core.words.formats.embedding import FACTS_KEY, steps_of, to_facts, with_facts
from ti_core.words.formats.pickles import write_pickle
from ti_core.words.formats.png_card import draw_card, write_png

Layout = Literal[
    "native", "diffusers", "diffusers-bin", "a1111-pt", "a1111-safetensors", "a1111-png", "sdxl", "kohya"
]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
FILE_SUFFIXES: Mapping[Layout, str] = {  # of the layouts that are a single file
    "a1111-pt": ".pt",
    "a1111-safetensors": ".safetensors",
    "a1111-png": ".png",
    "sdxl": ".safetensors",
    "kohya": ".safetensors",
}
ONE_ENCODER: tuple[Layout, ...] = ("a1111-pt", "a1111-safetensors", "a1111-png")
A1111_TOKEN = {"*": 265}  # the token id of "*", the same in every file of A1111

# By family and resolution: names for kohya's metadata, https://github.com/Stability-AI/ModelSpec
ARCHITECTURES = {
    ("sd1", 512): "stable-diffusion-v1",
    ("sd2", 512): "stable-diffusion-v2-512",
    ("sd2", 768): "stable-diffusion-v2-768-v",
    ("sdxl", 1024): "stable-diffusion-xl-v1-base",
}
# By family: the resolution that is assumed for an unknown model, the last one listed above.
RESOLUTIONS = {family: resolution for family, resolution in ARCHITECTURES}


def layouts_for(concept: Concept) -> tuple[Layout, ...]:
    """Return the layouts that can hold a concept; it depends on its number of text encoders."""
    unfit = ONE_ENCODER if len(concept.vectors) > 1 else ("sdxl",)
    return tuple(layout for layout in LAYOUTS if layout not in unfit)


def write_embedding(
    concept: Concept, target: Path, layout: Layout, pictures: Sequence[Image.Image] = ()
) -> list[Path]:
    """Write a concept to the folder ``target`` in a layout; return the files written.

    ``pictures`` are the training pictures, which only some layouts can hold. Raises :class:`ConceptError` if
    the layout cannot hold the concept, or the folder cannot be written.
    """
    fitting = layouts_for(concept)
    if layout not in fitting:
        if len(concept.vectors) == 1:
            raise ConceptError(
                "{token} has vectors for one text encoder, which {layout} cannot hold: choose {layouts}.",
                token=concept.token,
                layout=layout,
                layouts=series(fitting),
            )
        raise ConceptError(
            "{token} has vectors for {encoders} text encoders, which {layout} cannot hold: choose {layouts}.",
            token=concept.token,
            encoders=len(concept.vectors),
            layout=layout,
            layouts=series(fitting),
        )
    if layout == "native":
        save_concept(concept, target, pictures)
        return sorted(file for file in target.rglob("*") if file.is_file())
    try:
        target.mkdir(parents=True, exist_ok=True)
        return _write(concept, target, layout, pictures)
    except (OSError, SafetensorError, RuntimeError) as error:  # a full disk raises any of them
        raise ConceptError(
            "{token} could not be written to {folder}: {error}",
            token=concept.token,
            folder=target,
            error=error,
        ) from error


def _write(concept: Concept, folder: Path, layout: Layout, pictures: Sequence[Image.Image]) -> list[Path]:
    if layout == "diffusers":
        return _write_diffusers(concept, folder)
    if layout == "diffusers-bin":
        return _write_concepts_library(concept, folder)
    file = folder / f"{concept.name}{FILE_SUFFIXES[layout]}"
    if layout == "a1111-pt":
        write_whole(file, partial(write_pickle, a1111_values(concept)))
    elif layout == "a1111-png":
        steps = steps_of(concept)
        footer = f"{concept.base.id}  {concept.num_vectors}v" + ("" if steps is None else f"  {steps}s")
        card = draw_card(concept.token, footer, next(iter(pictures), None))
        write_png(a1111_values(concept), card, file)
    else:
        tensors = dict(concept.vectors)
        if len(tensors) == 1:
            tensors = {"emb_params": next(iter(tensors.values()))}
        metadata = {FACTS_KEY: to_facts(concept)} | (kohya_metadata(concept) if layout == "kohya" else {})
        write_whole(file, partial(save_file, tensors, metadata=metadata))
    return [file]


def _write_diffusers(concept: Concept, folder: Path) -> list[Path]:
    files = [folder / name for name in EMBEDDING_FILES[: len(concept.vectors)]]
    metadata = {"format": "pt", FACTS_KEY: to_facts(concept)}
    for file, rows in zip(files, _in_encoder_order(concept), strict=True):
        write_whole(file, partial(save_file, {concept.token: rows}, metadata=metadata))
    return files


def _write_concepts_library(concept: Concept, folder: Path) -> list[Path]:
    """Write the layout of sd-concepts-library; its file holds only vectors, so the card holds the facts."""
    files = [(folder / name).with_suffix(".bin") for name in EMBEDDING_FILES[: len(concept.vectors)]]
    for file, rows in zip(files, _in_encoder_order(concept), strict=True):
        write_whole(file, partial(write_pickle, {concept.token: rows}))
    token, kind = folder / "token_identifier.txt", folder / "type_of_concept.txt"
    write_text_whole(token, concept.token)
    write_text_whole(kind, concept.kind)
    card = folder / "README.md"
    if not card.exists():
        write_text_whole(card, with_facts(concept_card(concept, 0), concept))
    return [*files, token, kind, card]


def _in_encoder_order(concept: Concept) -> list[torch.Tensor]:
    return [concept.vectors[encoder] for encoder in concept.base.widths]


def a1111_values(concept: Concept) -> Mapping[str, Any]:
    """Return the dict in A1111's .pt and PNG files, and our facts, which A1111 ignores."""
    [rows] = concept.vectors.values()
    return {
        "string_to_token": A1111_TOKEN,
        "string_to_param": {"*": rows},
        "name": concept.name,
        "step": steps_of(concept),
        "sd_checkpoint": None,  # would be the hash of the checkpoint file, which is not known here
        "sd_checkpoint_name": concept.base.id,
        FACTS_KEY: to_facts(concept),
    }


def kohya_metadata(concept: Concept) -> dict[str, str]:
    """Return the metadata that kohya's scripts write, with the family's defaults for an unknown model."""
    family, preset = concept.base.family, find_preset(concept.base.id)
    resolution = preset.resolution if preset else RESOLUTIONS[family]
    architecture = ARCHITECTURES.get((family, resolution)) or ARCHITECTURES[family, RESOLUTIONS[family]]
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{architecture}/textual-inversion",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.title": concept.name,
        "modelspec.trigger_phrase": concept.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.prediction_type": "v" if architecture.endswith("-v") else "epsilon",
    }
