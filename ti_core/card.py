"""The card of a concept: the README of its folder, with the front matter that the Hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ti_core.models import LICENCE_OF_FAMILY, find_preset
from ti_core.prompts import PLAIN_TEMPLATES, Kind, fill_template
from ti_core.recipe import Recipe

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class _BaseModel(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def family(self) -> str: ...


class _Concept(Protocol):
    """What a card tells of a :class:`~ti_core.concept.Concept`, which is never saved without one."""

    @property
    def token(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def base(self) -> _BaseModel: ...
    @property
    def initializer(self) -> str: ...
    @property
    def training(self) -> Mapping[str, Any]: ...
    @property
    def num_vectors(self) -> int: ...
    @property
    def files(self) -> Mapping[str, str]: ...


def concept_card(
    concept: _Concept, num_pictures: int, *, repo_id: str | None = None, gallery: Sequence[Recipe] = ()
) -> str:
    """The README of a concept's folder, or of its repository ``repo_id`` as :mod:`ti_core.hub` publishes it.

    ``gallery`` are the recipes of the pictures ``gallery/0.png``, ``gallery/1.png``, … there.
    """
    parts = [
        f"---\n{_front_matter(concept, gallery)}\n---",
        f"# `{concept.token}`",
        _about(concept),
        "<Gallery />" if gallery else "",
        _how_trained(concept),
        _how_to_use(concept, repo_id),
        _recipes(gallery),
        _pictures(num_pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def gallery_file(number: int) -> str:
    """Where a drawn picture of the card is in the repository."""
    return f"gallery/{number}.png"


def base_repository(concept: _Concept) -> str | None:
    """The base model on the Hub, None for one that is not there."""
    preset = find_preset(concept.base.id)
    source = preset.source if preset else concept.base.id.partition("@")[0]  # without the revision
    return source if REPOSITORY.fullmatch(source) else None


def _front_matter(concept: _Concept, gallery: Sequence[Recipe]) -> str:
    from huggingface_hub import ModelCardData

    preset = find_preset(concept.base.id)
    diffusion = "stable-diffusion-xl" if concept.base.family == "sdxl" else "stable-diffusion"
    widget = [
        {"text": recipe.prompt, "output": {"url": gallery_file(number)}}
        for number, recipe in enumerate(gallery)
    ]
    data = ModelCardData(
        license=preset.licence if preset else LICENCE_OF_FAMILY[concept.base.family],
        library_name="diffusers",
        pipeline_tag="text-to-image",
        # Both spellings are searched for.
        tags=["textual-inversion", "textual_inversion", diffusion, "diffusers", "text-to-image"],
        base_model=base_repository(concept),
        instance_prompt=concept.token,
        widget=widget or None,
    )
    return data.to_yaml()


def _about(concept: _Concept) -> str:
    vectors = f"{concept.num_vectors} embedding vector{'s' if concept.num_vectors > 1 else ''}"
    return (
        f"A word ({concept.kind}) for {_code(concept.base.id)}, learned by textual inversion "
        f"([arXiv 2208.01618](https://arxiv.org/abs/2208.01618)): {vectors}, nothing else; the model is "
        "unchanged. The licence is that of the base model."
    )


def _how_trained(concept: _Concept) -> str:
    """What the concept records of its training; of an imported one, nothing is known of its record."""
    training = concept.training
    lines = [f"- Initial word: {_code(concept.initializer)}"] if concept.initializer else []
    for name, key in (
        ("Steps", "steps"),
        ("Batch size", "batch_size"),
        ("Pictures", "pictures"),
        ("Seed", "seed"),
    ):
        if _is_number(training.get(key)):
            lines.append(f"- {name}: {training[key]}")
    first, last, step = (
        training.get(key) for key in ("first_evaluation_loss", "evaluation_loss", "best_step")
    )
    if _is_number(first) and _is_number(last) and _is_number(step):
        lines.append(f"- Loss on fixed noisy views of the pictures: {first:.4f} → {last:.4f}, at step {step}")
    scores = training.get("scores")
    if isinstance(scores, Mapping):
        lines += [f"- {_code(str(name))}: {score:.4f}" for name, score in scores.items() if _is_number(score)]
    return "\n".join(["## How it was trained\n", *lines]) if lines else ""


def _how_to_use(concept: _Concept, repo_id: str | None) -> str:
    parts = [f"## How to use it\n\nWith diffusers:\n\n```python\n{_loading(concept, repo_id)}```"]
    if repo_id is not None:
        prompt, file = fill_template(PLAIN_TEMPLATES[concept.kind], concept.token), _a1111_file(concept)
        parts += [
            f"In stable-diffusion-webui (A1111) and the like: put `{file}` into the folder `embeddings`, and "
            f"write `{concept.name}` in the prompt.",
            f"In One Word:\n\n```sh\npython -m ti_core pull {repo_id} --out {concept.name}\n"
            f'python -m ti_core generate "{prompt}" --concept {concept.name}\n```',
        ]
    return "\n\n".join(parts)


def _a1111_file(concept: _Concept) -> str:
    return f"{concept.name}.{'safetensors' if len(concept.files) > 1 else 'pt'}"


def _loading(concept: _Concept, repo_id: str | None) -> str:
    """Python that loads the concept into its pipeline and draws with it."""
    base, source = base_repository(concept), repo_id or "PATH_OR_REPOSITORY"
    opening = ""
    if base:
        opening = (
            "from diffusers import DiffusionPipeline\n\n"
            f'pipeline = DiffusionPipeline.from_pretrained("{base}")\n'
        )
    loading = f'pipeline.load_textual_inversion("{source}")\n'
    if len(concept.files) > 1:
        loading = "".join(
            f'pipeline.load_textual_inversion(\n    "{source}",\n    weight_name="{file}",\n'
            f"    text_encoder=pipeline.text_encoder{suffix},\n    tokenizer=pipeline.tokenizer{suffix},\n)\n"
            for file, suffix in zip(concept.files.values(), ("", "_2"), strict=True)
        )
    prompt = fill_template(PLAIN_TEMPLATES[concept.kind], concept.token)
    return f'{opening}{loading}pipeline("{prompt}").images[0]\n'


def _recipes(gallery: Sequence[Recipe]) -> str:
    lines = [
        f"- {_code(recipe.prompt)}: seed {recipe.seed}, {recipe.steps} steps of {_code(recipe.scheduler)}, "
        f"guidance {recipe.guidance_scale:g}"
        for recipe in gallery
    ]
    return "\n".join(["## How the pictures were drawn\n", *lines]) if lines else ""


def _pictures(count: int) -> str:
    images = [f"![picture {number}](concept_images/{number}.png)" for number in range(count)]
    return "\n".join(["## The pictures it was learned from\n", *images]) if images else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _code(text: str) -> str:
    """Text that someone wrote as a code span of Markdown, in which nothing of it has a meaning."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"
