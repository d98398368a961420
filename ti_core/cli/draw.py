"""``generate``, ``compose`` and ``style``: draw pictures and save each with its recipe."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ti_core.cli.loading import ModelOption, SafetyOption, choose_model, load_concepts, load_model
from ti_core.cli.terminal import Interrupt, JsonOption, Report, progress, reporting, say
from ti_core.drawing.recipe import read_recipe, save_png
from ti_core.errors import Cancelled, ConfigError, RecipeError
from ti_core.messages import Message, series
from ti_core.prompts.checks import check_tokens
from ti_core.prompts.grammar import concept_tokens

if TYPE_CHECKING:
    from PIL import Image

    from ti_core.drawing.generate import GeneratedPicture
    from ti_core.drawing.settings import GenerationSettings
    from ti_core.words.concept import Concept

SLUG_LENGTH = 40


@dataclass(frozen=True)
class DrawingOptions:
    """The options that all drawing commands share."""

    negative: Annotated[str, typer.Option(help="What not to draw.")] = ""
    count: Annotated[int, typer.Option(help="Pictures for each prompt.")] = 4
    seed: Annotated[int, typer.Option(help="Of the first picture; the others count on.")] = 0
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25
    guidance: Annotated[
        float | None,
        typer.Option(help="Guidance scale; 1 is none.", show_default="the model's: {guidance_scales}"),
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="The sampler: {samplers}.", show_default="the model's: {schedulers}")
    ] = None
    model: ModelOption = None
    safety_checker: SafetyOption = True
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("outputs")
    as_json: JsonOption = False

    def settings(self, prompt: str, strength: float | None = None) -> GenerationSettings:
        """Return the settings for a prompt; ``strength`` applies to redrawing a picture."""
        from ti_core.drawing.settings import GenerationSettings

        return GenerationSettings(
            prompt,
            self.negative,
            self.count,
            self.seed,
            self.steps,
            self.guidance,
            self.scheduler,
            strength=strength,
        )


def with_drawing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command each field of :class:`DrawingOptions` as an option, replacing its parameter ``options``.

    Typer reads a command's options from its signature. In the signature of the returned function, the fields
    replace the parameter ``options`` of ``command``, which must be its last.
    """
    own = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(DrawingOptions, eval_str=True).parameters

    @wraps(command)
    def with_options(**given: Any) -> None:
        options = DrawingOptions(**{name: given.pop(name) for name in shared})
        command(**given, options=options)

    parameters = [*(own[name] for name in own if name != "options"), *shared.values()]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


@with_drawing_options
def generate_command(
    prompt: Annotated[str, typer.Argument(help="What to draw, with concepts as <our-cat>.")],
    concepts: Annotated[
        list[Path] | None, typer.Option("--concept", help="A concept folder; repeat for several.")
    ] = None,
    *,
    options: DrawingOptions,
) -> None:
    """Draw pictures of a prompt."""
    with reporting(options.as_json) as report:
        loaded = load_concepts(concepts or [])
        _check_prompts([prompt, options.negative], loaded)
        _draw("generate", [options.settings(prompt)], loaded, options, report)


@with_drawing_options
def compose_command(
    prompt: Annotated[str, typer.Argument(help="What to draw, such as: {compositions}.")],
    concepts: Annotated[list[Path], typer.Option("--concept", help="A concept folder; two or more.")],
    weights: Annotated[
        list[float] | None,
        typer.Option(
            "--weight", help="Attention weight of each concept, in the same order.", show_default="1"
        ),
    ] = None,
    *,
    options: DrawingOptions,
) -> None:
    """Draw several concepts in one picture."""
    with reporting(options.as_json) as report:
        loaded = load_concepts(concepts)
        _check_prompts([prompt, options.negative], loaded)
        from ti_core.prompts.composition import weighted_prompt

        weighted = weighted_prompt(prompt, [concept.token for concept in loaded], weights or None)
        _check_prompts([weighted], loaded)
        _draw("compose", [options.settings(weighted)], loaded, options, report)


@with_drawing_options
def style_command(
    concept: Annotated[Path, typer.Option("--concept", help="The style's concept folder.")],
    subjects: Annotated[
        list[str] | None, typer.Option("--subject", help="What to draw in the style; repeat for several.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="A picture to redraw in the style instead.")] = None,
    strength: Annotated[
        float | None,
        typer.Option(help="With --picture: the higher, the less of it is kept.", show_default="0.6"),
    ] = None,
    *,
    options: DrawingOptions,
) -> None:
    """Draw anything in a learned style, or redraw a picture in it."""
    with reporting(options.as_json) as report:
        if (picture is None) == (not subjects):
            raise ConfigError("Give either --subject, what to draw, or --picture, a picture to redraw.")
        if picture is None and strength is not None:
            raise ConfigError("--strength is for redrawing a picture: add --picture, or leave it out.")
        [style] = load_concepts([concept])
        from ti_core.pictures.decode import open_picture
        from ti_core.prompts.composition import RESTYLE_STRENGTH, restyle_prompt, style_prompts

        source = None
        if picture is not None:
            source, _, _ = open_picture(picture, alpha="flatten")
            strength = RESTYLE_STRENGTH if strength is None else strength
            prompts = [restyle_prompt(style.token)]
        else:
            prompts = style_prompts(style.token, subjects or [])
            if not prompts:
                raise ConfigError("The subject is empty: say what to draw, such as a house.")
        _check_prompts([*prompts, options.negative], [style])
        settings = [options.settings(prompt, strength) for prompt in prompts]
        _draw("style", settings, [style], options, report, source)


def _check_prompts(prompts: Sequence[str], concepts: Sequence[Concept]) -> None:
    """Raise :class:`PromptError` early for prompts that would fail once the model has loaded."""
    for prompt in prompts:
        check_tokens(prompt, [concept.token for concept in concepts])


def _draw(
    command: str,
    requests: Sequence[GenerationSettings],
    concepts: Sequence[Concept],
    options: DrawingOptions,
    report: Report,
    source: Image.Image | None = None,
) -> None:
    """Draw and save the pictures of each request; after Ctrl-C, keep and list those drawn so far."""
    from ti_core.drawing.generate import generate_all
    from ti_core.drawing.settings import Order
    from ti_core.words.concept import vectors_by_token

    folder = options.out
    name = choose_model(options.model, concepts[0].base if concepts else None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "{folder} cannot be a folder ({reason}): choose another --out.",
            folder=folder,
            reason=error.strerror,
        ) from error
    texts = [*(settings.prompt for settings in requests), requests[0].negative_prompt]
    written = concept_tokens("\n".join(texts))
    for token in [concept.token for concept in concepts if concept.token not in written]:
        say(
            "The prompt does not use {token}: write it where it should appear, brackets included.",
            token=token,
        )
    backbone = load_model(name, safety_checker=options.safety_checker)
    words = vectors_by_token(concepts, backbone.base)
    lengths = [backbone.count_tokens(text, words) for text in texts]  # attention weights take no tokens
    for text, length in zip(texts, lengths, strict=True):
        if length.chunks > 1:
            say(
                "“{prompt}” has {tokens} tokens and is read in {parts} parts.",
                prompt=text,
                tokens=length.tokens,
                parts=length.chunks,
            )
    files: list[str] = []
    hidden: list[int] = []
    report.facts |= {
        "prompts": texts[:-1],
        "lengths": [asdict(length) for length in lengths[:-1]],
        "negative_length": asdict(lengths[-1]),
        "tokens": [concept.token for concept in concepts if concept.token in written],
        "model": backbone.base.id,
        "steps": requests[0].denoising_steps,
        "files": files,
        "hidden": hidden,
    }
    started = time.monotonic()
    orders = [Order(settings, tuple(concepts), source) for settings in requests]
    total = sum(settings.count * settings.denoising_steps for settings in requests)
    try:
        with Interrupt() as interrupt, progress(Message("Drawing"), total) as show:
            for picture in generate_all(
                backbone,
                orders,
                on_progress=lambda step: show(step.done, ""),
                should_stop=lambda: interrupt.requested,
            ):
                recipe = picture.recipe
                path = _save(picture, folder, f"{command}-{_slug(recipe.prompt)}-{recipe.seed}")
                files.append(str(path))
                if picture.hidden:
                    hidden.append(recipe.seed)
    except Cancelled as error:
        raise Cancelled("Drawing was stopped; pictures kept: {count}.", count=len(files)) from error
    finally:
        report.facts["seconds"] = round(time.monotonic() - started, 1)
        report.lines += files
        if hidden:
            say(
                "The model's safety checker hid the pictures of these seeds: {seeds}. Try other seeds, or "
                "other words.",
                seeds=series(hidden),
            )


def _save(picture: GeneratedPicture, folder: Path, stem: str) -> Path:
    """Write the picture under the first name that is free or already holds the same picture."""
    path, number = folder / f"{stem}.png", 1
    while path.exists():
        if _holds(path, picture):
            return path
        number += 1
        path = folder / f"{stem}-{number}.png"
    save_png(picture.image, path, picture.recipe)
    return path


def _holds(path: Path, picture: GeneratedPicture) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            same = image.size == picture.image.size and image.tobytes() == picture.image.tobytes()
        return same and read_recipe(path) == picture.recipe
    except (OSError, RecipeError):
        return False


def _slug(prompt: str) -> str:
    return re.sub(r"[\W_]+", "-", prompt.casefold()).strip("-")[:SLUG_LENGTH].strip("-") or "picture"
