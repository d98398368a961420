"""Choose the files of a repository that make up a model: configurations, and one set of weights.

The choice depends on the files' names and sizes, and on the repository's index, ``model_index.json``, which
lists the parts of the pipeline. Nothing is downloaded here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from ti_core.errors import ModelError
from ti_core.model.sources import ModelSource

INDEX = "model_index.json"
MAX_CONFIGURATION_SIZE = 20_000_000  # bytes; no configuration or tokenizer file comes near
HALF_VARIANT = "fp16"  # the usual name of the variant in half precision
UNUSED_PARTS = frozenset({"image_encoder"})
PARTS_WITHOUT_WEIGHTS = frozenset({"tokenizer", "tokenizer_2", "scheduler", "feature_extractor"})
CONFIGURATION = re.compile(r"[^/]+/(?!.*\.index\.)[^/]+\.(json|txt|model)")
WEIGHTS = re.compile(
    r"[^/]+/(model|pytorch_model|diffusion_pytorch_model)"
    r"(?P<variant>\.[\w-]+?)?(-\d+-of-(?P<count>\d+))?(?P<late>\.[\w-]+)?\.(?P<format>safetensors|bin)"
)

WeightsKind = tuple[str | None, str, int]
"""A way in which weights are stored: variant, file format, and number of shards (0 for a single file)."""


def read_index(folder: Path, source: ModelSource) -> dict[str, Any]:
    """Read the index of a repository from ``folder``. Raises :class:`ModelError` if it is damaged."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            "{source} has a damaged model_index.json: choose another model.", source=source
        ) from error
    if not isinstance(index, dict):
        raise ModelError("{source} has a damaged model_index.json: choose another model.", source=source)
    return index


def no_index(source: ModelSource, names: Iterable[str]) -> ModelError:
    """The error that says what a repository without an index holds instead, judging by its files' names."""
    files = [name for name in names if "/" not in name and name.endswith((".safetensors", ".ckpt"))]
    if files:
        return ModelError(
            "{repository} holds no diffusers model, but checkpoint files: download {file} from "
            "https://huggingface.co/{repository} and choose that file.",
            repository=source.repository,
            file=files[0],
        )
    return ModelError(
        "{repository} holds no diffusers model: it has no model_index.json. Choose another repository.",
        repository=source.repository,
    )


def pipeline_files(
    sizes: Mapping[str, int], index: Mapping[str, Any], source: ModelSource
) -> tuple[list[str], list[str]]:
    """Select the files of a repository that a pipeline needs: configurations, and one set of weights.

    ``sizes`` maps each file of the repository to its bytes. For each part, the source's variant and
    safetensors are preferred. Raises :class:`ModelError` if no part has that variant.
    """
    configurations, weights, variants = [INDEX], [], set()
    for part in _parts(index):
        names = [name for name in sizes if name.startswith(f"{part}/")]
        configurations += [
            name for name in names if CONFIGURATION.fullmatch(name) and sizes[name] <= MAX_CONFIGURATION_SIZE
        ]
        found = _weights_of(part, names)
        variants |= {variant for variant, _, _ in found if variant}
        kind = _kind_to_load(found, source.variant)
        if kind is not None:
            weights += found[kind]
            configurations += _shard_indexes(names, kind)
    if source.variant and source.variant not in variants:
        known = ", ".join(sorted(variants)) or "none"
        raise ModelError(
            "{repository} has no variant {variant}: leave it out, or choose another ({known}).",
            repository=source.repository,
            variant=source.variant,
            known=known,
        )
    return configurations, weights


def choose_variant(
    source: ModelSource, names: Set[str], here: Set[str], index: Mapping[str, Any], half: bool
) -> str | None:
    """The source's variant; else one that is complete ``here``; else the one that ``half`` prefers."""
    if source.variant:
        return source.variant
    preferred = (HALF_VARIANT, None) if half else (None, HALF_VARIANT)
    return next(
        (
            variant
            for offered in (names & here, names)
            for variant in preferred
            if is_whole(offered, index, variant)
        ),
        None,
    )


def is_whole(names: Set[str], index: Mapping[str, Any], variant: str | None) -> bool:
    """Whether every part has weights to load, at least one of them in this variant."""
    parts = [part for part in _parts(index) if part not in PARTS_WITHOUT_WEIGHTS]
    kinds = [_kind_to_load(_weights_of(part, names), variant) for part in parts]
    return all(kinds) and any(kind[0] == variant for kind in kinds if kind)


def has_configurations(names: Set[str], index: Mapping[str, Any]) -> bool:
    """Whether every part has a configuration or a tokenizer; False for an empty index."""
    configured = {name.split("/")[0] for name in names if CONFIGURATION.fullmatch(name)}
    return bool(index) and configured.issuperset(_parts(index))


def _parts(index: Mapping[str, Any]) -> list[str]:
    """The names of the pipeline's parts that this program uses."""
    return [
        part
        for part, entry in index.items()
        if isinstance(entry, list) and entry and entry[-1] is not None and part not in UNUSED_PARTS
    ]


def _weights_of(part: str, names: Iterable[str]) -> dict[WeightsKind, list[str]]:
    """The files of a part's weights, grouped by kind; kinds with missing shards are left out."""
    found: dict[WeightsKind, list[str]] = {}
    for name in sorted(names):
        match = WEIGHTS.fullmatch(name)
        if match and name.startswith(f"{part}/"):
            variant = (match["variant"] or match["late"] or "").removeprefix(".") or None
            found.setdefault((variant, match["format"], int(match["count"] or 0)), []).append(name)
    return {kind: files for kind, files in found.items() if len(files) >= kind[2]}


def _kind_to_load(kinds: Iterable[WeightsKind], variant: str | None) -> WeightsKind | None:
    """Choose the kind to load: the variant over full weights, safetensors over pickles, fewer files first."""
    usable = [kind for kind in kinds if kind[0] in (variant, None)]
    return min(usable, key=lambda kind: (kind[0] != variant, kind[1] != "safetensors", kind[2]), default=None)


def _shard_indexes(names: Iterable[str], kind: WeightsKind) -> list[str]:
    """The index file that lists the shards of weights in several files."""
    variant, form, count = kind
    ending = re.compile(rf".*\.{form}\.index(\.{variant})?\.json" if variant else rf".*\.{form}\.index\.json")
    return [name for name in names if count and ending.fullmatch(name)]
