"""The judge: by a CLIP model, how alike pictures are and how well they agree with sentences.

The pictures of the embedded model are judged by a small CLIP of its own world, all others by the one that
the paper measures with (arXiv 2208.01618, section 4.4).
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
from ti_core.model.base import BaseModel
from ti_core.prompts.templates import Kind
from ti_core.resources import ASSETS

EMBEDDED_MODEL = "toybox"
EMBEDDED_JUDGE = ASSETS / "judge"
EMBEDDED_JUDGE_NAME = f"{EMBEDDED_MODEL}'s own judge"
GENERAL_JUDGE = "openai/clip-vit-base-patch32"
BATCH_ROWS = 32
CORNER_SIDE = 5 / 6  # of a picture's side


@dataclass(frozen=True)
class ImageFeatures:
    """What the judge sees in pictures, unit vectors: ``likeness`` (b, d) for a concept of each kind, and
    ``shared`` (b, p), the space in which sentences are too."""

    likeness: Mapping[Kind, torch.Tensor]
    shared: torch.Tensor

    def __len__(self) -> int:
        return len(self.shared)

    def __getitem__(self, rows: slice) -> ImageFeatures:
        return ImageFeatures(
            {kind: states[rows] for kind, states in self.likeness.items()}, self.shared[rows]
        )


class Judge:
    """``name`` says who speaks, for every score is one judge's opinion."""

    def __init__(self, model: Any, processor: Any, tokenizer: Any, name: str, device: torch.device):
        self.name, self.device = name, device
        self._model = model.requires_grad_(False).eval().to(device)
        self._processor, self._tokenizer = processor, tokenizer
        self._parts: Mapping[Kind, Sequence[int]] | None = getattr(model.config, "likeness", None)

    @torch.no_grad()
    def image_features(self, pictures: Sequence[Image.Image]) -> ImageFeatures:
        """What the judge sees in RGB pictures of any size, cropped in the middle to a square.

        A judge that was trained to compare things has entries of its pooled state for each kind of concept,
        and is so small that ten views of a picture tell it far more than one. With any other, one view is
        compared in the shared space, as in the paper.
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
        """Unit vectors (b, p) of sentences in the shared space; one that is too long is cut."""
        tokens = self._tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
        output = self._model.text_model(**tokens.to(self.device))
        return F.normalize(self._model.text_projection(output.pooler_output).float().cpu(), dim=-1)


def ten_views(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (b, 3, s, s) as (10, b, 3, s, s): whole, its four corners, enlarged, and all these mirrored.

    As Krizhevsky et al. 2012 (ImageNet classification with deep convolutional networks, section 4.1) look.
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
    """States (views, b, d) to unit vectors (b, d) on the CPU."""
    return F.normalize(F.normalize(states.float(), dim=-1).mean(0), dim=-1).cpu()


def likeness(first: ImageFeatures, second: ImageFeatures, kind: Kind) -> torch.Tensor:
    """Cosines (a, b) of how alike each two pictures are, for a concept of that kind."""
    return first.likeness[kind] @ second.likeness[kind].T


def likeness_among(features: ImageFeatures, kind: Kind) -> torch.Tensor:
    """Cosines (n * (n - 1) / 2,) of all pairs of different pictures."""
    first, second = torch.triu_indices(len(features), len(features), offset=1)
    return likeness(features, features, kind)[first, second]


def judge_for(base: BaseModel, device: torch.device, *, fetch: bool = True) -> Judge:
    """The judge of a base model's pictures.

    Raises :class:`ModelError` if it is not on this machine and cannot be fetched, or is not to be.
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
    """A CLIP model from a folder or the Hub; the last one is kept. Raises :class:`ModelError`."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer  # takes seconds

    here_only = {"local_files_only": not fetch}
    try:
        model = CLIPModel.from_pretrained(source, dtype=torch.float32, **here_only)
        processor = CLIPImageProcessor.from_pretrained(source, **here_only)
        tokenizer = CLIPTokenizer.from_pretrained(source, **here_only)
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
