"""The model card of a concept: the README of its folder, with the front matter that the Hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ti_core.drawing.recipe import Recipe
from ti_core.messages import template
from ti_core.model.presets import find_preset, preset_of
from ti_core.prompts.grammar import replace_token
from ti_core.prompts.templates import PLAIN_TEMPLATES, fill_template
from ti_core.words.concept import Concept

HUB = "https://huggingface.co"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
SCORES = {
    "likeness": template("likeness to the pictures"),
    "agreement": template("agreement with the prompt"),
    "diversity": template("diversity"),
}
"""Titles of the scores that :mod:`ti_core.judging.scores` measures."""


@dataclass(frozen=True)
class Licence:
    """A licence as a model card states it: the Hub's ``id``, or "other" with a name and a link."""

    id: str
    name: str | None = None
    link: str | None = None


def concept_card(
    concept: Concept,
    num_pictures: int,
    *,
    repo_id: str | None = None,
    gallery: Mapping[str, Recipe] | None = None,
    licence: Licence | None = None,
) -> str:
    """Write the README of a concept's folder or, with ``repo_id``, of its repository on the Hub.

    ``gallery`` maps the path of each gallery picture to its recipe. ``licence`` is the base model's; it
    defaults to that of the preset, and the card says that it is unknown if the base model is no preset.
    """
    licence = licence or preset_licence(concept)
    gallery = {path: _with_current_token(recipe, concept) for path, recipe in (gallery or {}).items()}
    parts = [
        f"---\n{_front_matter(concept, gallery, licence)}\n---",
        f"# `{concept.token}`",
        f"{_about(concept)} {_about_licence(concept, licence)}",
        "<Gallery />" if gallery else "",
        _how_trained(concept),
        _how_good(concept),
        _how_to_use(concept, repo_id),
        _recipes(concept, gallery),
        _pictures(num_pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_current_token(recipe: Recipe, concept: Concept) -> Recipe:
    """Put the concept's token into a recipe that used the same vectors under another token."""
    for use in recipe.concepts:
        # A recipe read from A1111's text has only the first digits of the digest.
        if use.sha256 and concept.sha256.startswith(use.sha256):
            return replace(recipe, prompt=replace_token(recipe.prompt, use.token, concept.token))
    return recipe


def _is_outdated(recipe: Recipe, concept: Concept) -> bool:
    """Whether a picture was drawn with different vectors under the same token."""
    return any(
        use.token == concept.token and not concept.sha256.startswith(use.sha256) for use in recipe.concepts
    )


def preset_licence(concept: Concept) -> Licence | None:
    """Return the licence of a concept's base model; None if the model is no preset."""
    preset = preset_of(concept.base.id)
    return named_licence(preset.source, preset.licence) if preset else None


def named_licence(repository: str, licence: str, name: str = "", link: str = "") -> Licence:
    """Turn the licence on the card of ``repository`` into one that another card can state.

    A licence "other" gets the repository's name if it has none, and an absolute link.
    """
    if licence != "other":
        return Licence(licence)
    page = f"{HUB}/{repository}"
    if not link.startswith("https://"):
        link = f"{page}/blob/main/{link}" if link else page
    return Licence(licence, name or repository.rpartition("/")[2].lower(), link)


def base_repository(concept: Concept) -> str | None:
    """Return the Hub repository (owner/name) of a concept's base model; None if it is not on the Hub."""
    preset = find_preset(concept.base.id)
    source = preset.source if preset else concept.base.id.partition("@")[0]  # without the revision
    return source if REPOSITORY.fullmatch(source) else None


def _front_matter(concept: Concept, gallery: Mapping[str, Recipe], licence: Licence | None) -> str:
    from huggingface_hub import ModelCardData

    diffusion = "stable-diffusion-xl" if concept.base.family == "sdxl" else "stable-diffusion"
    widget = [{"text": recipe.prompt, "output": {"url": path}} for path, recipe in gallery.items()]
    data = ModelCardData(
        license=licence.id if licence else None,
        license_name=licence.name if licence else None,
        license_link=licence.link if licence else None,
        library_name="diffusers",
        pipeline_tag="text-to-image",
        # Both spellings are in use on the Hub.
        tags=["textual-inversion", "textual_inversion", diffusion, "diffusers", "text-to-image"],
        base_model=base_repository(concept),
        instance_prompt=concept.token,
        widget=widget or None,
    )
    return data.to_yaml()


def _about(concept: Concept) -> str:
    vectors = f"{concept.num_vectors} embedding vector{'s' if concept.num_vectors > 1 else ''}"
    return (
        f"A word ({concept.kind}) for {_code(concept.base.id)}, learned by textual inversion "
        f"([arXiv 2208.01618](https://arxiv.org/abs/2208.01618)): {vectors}, nothing else; the model is "
        "unchanged."
    )


def _about_licence(concept: Concept, licence: Licence | None) -> str:
    if licence is not None:
        return "The licence is that of the base model."
    base = base_repository(concept)
    where = f" at [{base}]({HUB}/{base})" if base else ""
    return (
        f"The licence is that of the base model, which is not known here: look it up{where} before you share."
    )


def _how_trained(concept: Concept) -> str:
    """Write the section on training. An imported concept's record may hold anything, so it is checked."""
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
    return "\n".join(["## How it was trained\n", *lines]) if lines else ""


def _how_good(concept: Concept) -> str:
    """Write the section on scores; "" unless they were measured for exactly these vectors."""
    scores = concept.training.get("scores")
    if not isinstance(scores, Mapping) or scores.get("sha256") != concept.sha256:
        return ""
    lines = []
    for key, title in SCORES.items():
        score = scores.get(key)
        if isinstance(score, Mapping) and all(
            _is_number(score.get(of)) for of in ("learned", "initial", "real")
        ):
            lines.append(
                f"- {title.capitalize()}: {score['learned']:.3f} (initial word: {score['initial']:.3f}, "
                f"real pictures: {score['real']:.3f})"
            )
    judge, model = _code(str(scores.get("judge"))), _code(str(scores.get("model")))
    judged = f"Cosines in the space of {judge}, of pictures drawn with {model}."
    return "\n".join(["## How good it is\n", *lines, "", judged]) if lines else ""


def _how_to_use(concept: Concept, repo_id: str | None) -> str:
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


def _a1111_file(concept: Concept) -> str:
    return f"{concept.name}.{'safetensors' if len(concept.files) > 1 else 'pt'}"


def _loading(concept: Concept, repo_id: str | None) -> str:
    """Write Python code that loads the concept into a diffusers pipeline and draws with it."""
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


def _recipes(concept: Concept, gallery: Mapping[str, Recipe]) -> str:
    lines = [
        f"- {_code(recipe.prompt)}: seed {recipe.seed}, {recipe.steps} steps of {_code(recipe.scheduler)}, "
        f"guidance {recipe.guidance_scale:g}"
        + (", with the word as it was before" if _is_outdated(recipe, concept) else "")
        for recipe in gallery.values()
    ]
    return "\n".join(["## How the pictures were drawn\n", *lines]) if lines else ""


def _pictures(count: int) -> str:
    images = [f"![picture {number}](concept_images/{number}.png)" for number in range(count)]
    return "\n".join(["## The pictures it was learned from\n", *images]) if images else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _code(text: str) -> str:
    """Quote untrusted text as a Markdown code span, so that none of it is read as markup."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"
