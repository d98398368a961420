"""The judge: a CLIP model that measures how alike pictures are and how well they agree with sentences.

Pictures of the embedded model are judged by a small CLIP that was trained on the same picture world; all
others are judged by the CLIP that the paper uses (arXiv 2208.01618, section 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError

from ti_core.config import KINDS
from ti_core.errors import ModelError
from ti_core.messages import template
from ti_core.model.base import BaseModel
from ti_core.prompts.templates import Kind
from ti_core.resources import ASSETS

EMBEDDED_MODEL = "toybox"
EMBEDDED_JUDGE = ASSETS / "judge"
EMBEDDED_JUDGE_NAME = template("toybox's own judge")
GENERAL_JUDGE = "openai/clip-vit-base-patch32"
BATCH_ROWS = 32
CORNER_SIDE = 5 / 6  # side of a corner crop, as a share of the picture's side


@dataclass(frozen=True)
class ImageFeatures:
    """Unit feature vectors of b pictures.

    ``likeness`` has the features (b, d) by which pictures are compared, for each kind of concept. ``shared``
    (b, p) is in CLIP's space of pictures and sentences.
    """

    likeness: Mapping[Kind, torch.Tensor]
    shared: torch.Tensor

    def __len__(self) -> int:
        return len(self.shared)

    def __getitem__(self, rows: slice) -> ImageFeatures:
        return ImageFeatures(
            {kind: states[rows] for kind, states in self.likeness.items()}, self.shared[rows]
        )


class Judge:
    """A CLIP model with its processors. ``name`` is recorded with scores, which depend on the judge."""

    def __init__(self, model: Any, processor: Any, tokenizer: Any, name: str, device: torch.device):
        self.name, self.device = name, device
        self._model = model.requires_grad_(False).eval().to(device)
        self._processor, self._tokenizer = processor, tokenizer
        self._parts: Mapping[Kind, Sequence[int]] | None = getattr(model.config, "likeness", None)

    @torch.no_grad()
    def image_features(self, pictures: Sequence[Image.Image]) -> ImageFeatures:
        """Compute the features of RGB pictures of any size, cropped to a square around the centre.

        The judge of the embedded model was trained to compare pictures: for each kind of concept, certain
        entries of its pooled state are compared. It is so small that ten views of a picture tell it far more
        than one. Any other CLIP compares one view in the shared space, as in the paper.
        """
        pooled = []
        for start in range(0, len(pictures), BATCH_ROWS):
            pixels = self._processor(list(pictures[start : start + BATCH_ROWS]), return_tensors="pt")
            seen = pixels["pixel_values"].to(self.device, self._model.dtype)
            views = seen[None] if self._parts is None else ten_views(seen)
            states = self._model.vision_model(views.flatten(0, 1)).pooler_output
            pooled.append(states.unflatten(0, views.shape[:2]))
        states = torch.cat(pooled, dim=1)  # (views, b, d)
        shared = _mean_direction(self._model.visual_projection(states))
        if self._parts is None:
            return ImageFeatures(dict.fromkeys(KINDS, shared), shared)
        parts = {kind: _mean_direction(states[..., slice(*ends)]) for kind, ends in self._parts.items()}
        return ImageFeatures(parts, shared)

    @torch.no_grad()
    def text_features(self, sentences: Sequence[str]) -> torch.Tensor:
        """Compute unit vectors (b, p) of sentences in the shared space; long sentences are truncated."""
        tokens = self._tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        output = self._model.text_model(**tokens.to(self.device))
        return F.normalize(self._model.text_projection(output.pooler_output).float().cpu(), dim=-1)


def ten_views(pictures: torch.Tensor) -> torch.Tensor:
    """Make ten views (10, b, 3, s, s) of pictures (b, 3, s, s): whole, four corners enlarged, and mirrored.

    This follows Krizhevsky et al. 2012 (ImageNet classification with deep convolutional networks, section
    4.1).
    """
    side = pictures.shape[-1]
    part = round(CORNER_SIDE * side)
    corners = [
        F.interpolate(pictures[..., top : top + part, left : left + part], size=side, mode="bilinear")
        for top in (0, side - part)
        for left in (0, side - part)
    ]
    views = torch.stack((pictures, *corners))
    return torch.cat((views, views.flip(-1)))


def _mean_direction(states: torch.Tensor) -> torch.Tensor:
    """Normalise states (views, b, d) and average them over views to unit vectors (b, d) on the CPU."""
    return F.normalize(F.normalize(states.float(), dim=-1).mean(0), dim=-1).cpu()


def likeness(first: ImageFeatures, second: ImageFeatures, kind: Kind) -> torch.Tensor:
    """Cosine similarities (len(first), len(second)) of pictures, compared as for a concept of that kind."""
    return first.likeness[kind] @ second.likeness[kind].T


def likeness_among(features: ImageFeatures, kind: Kind) -> torch.Tensor:
    """Cosine similarities (n * (n - 1) / 2,) of all pairs among n pictures."""
    first, second = torch.triu_indices(len(features), len(features), offset=1)
    return likeness(features, features, kind)[first, second]


def judge_for(base: BaseModel, device: torch.device, *, fetch: bool = True) -> Judge:
    """Load the judge for a base model's pictures.

    Raises :class:`ModelError` if the judge is not on this machine and ``fetch`` is false or the download
    fails.
    """
    if base.id == EMBEDDED_MODEL:
        if not EMBEDDED_JUDGE.is_dir():
            raise ModelError(
                "The judge of the embedded model is not in assets/judge: fetch the program again, or "
                "compare by eye."
            )
        return load_judge(str(EMBEDDED_JUDGE), device, fetch=False)
    return load_judge(GENERAL_JUDGE, device, fetch=fetch)


@lru_cache(maxsize=1)
def load_judge(source: str, device: torch.device, *, fetch: bool = False) -> Judge:
    """Load a CLIP model from a folder or the Hub; the last one loaded is cached.

    Raises :class:`ModelError` if it cannot be read, or is not on this machine and cannot be downloaded.
    """
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer  # takes seconds to import

    options = {"local_files_only": not fetch}
    try:
        model = CLIPModel.from_pretrained(source, dtype=torch.float32, **options)
        processor = CLIPImageProcessor.from_pretrained(source, **options)
        tokenizer = CLIPTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError, SafetensorError) as error:
        if Path(source).is_dir():
            raise ModelError(
                "The judge in {source} cannot be read: fetch its files again, or do without scores.",
                source=source,
            ) from error
        raise ModelError(
            "The judge is not on this machine: fetch it once with “hf download {source}”, or do without "
            "scores.",
            source=source,
        ) from error
    name = EMBEDDED_JUDGE_NAME if source == str(EMBEDDED_JUDGE) else source
    return Judge(model, processor, tokenizer, name, device)
