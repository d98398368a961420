"""The recipe of a generated picture, stored in its PNG file.

It is stored in two text chunks. ``one-word`` holds this program's JSON, which is exact. ``parameters`` holds
the text format of AUTOMATIC1111's stable-diffusion-webui (A1111), which many programs and sites can read.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ti_core.errors import RecipeError
from ti_core.files import write_whole
from ti_core.messages import setting

VERSION = 1
RECIPE_CHUNK = "one-word"
PARAMETERS_CHUNK = "parameters"
SHORT_HASH_LENGTH = 12  # hexadecimal digits of a hash in the A1111 text format

SCHEDULER_LABELS: dict[str, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpm++_2m": "DPM++ 2M",
    "dpm++_2m_karras": "DPM++ 2M Karras",
    "unipc": "UniPC",
}


@dataclass(frozen=True)
class ConceptUse:
    """A concept that a picture was made with: its token and the SHA-256 of its vectors, in hexadecimal.

    ``strength`` is the concept's position on the line from its initial word (0) to itself (1), or beyond. A
    recipe read from A1111's text format has only the first digits of the hash (12, if this program wrote it)
    and no strength.
    """

    token: str
    sha256: str
    strength: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything needed to draw a picture again. Sizes are in pixels; 0 and "" mean unknown."""

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 25
    guidance_scale: float = 7.5
    scheduler: str = "ddim"
    width: int = 0
    height: int = 0
    model: str = ""
    model_family: str = ""
    concepts: tuple[ConceptUse, ...] = ()
    strength: float | None = None  # image-to-image only
    source_sha256: str | None = None  # hash of the fitted source picture
    software: str = "One Word"


_TYPES: dict[str, tuple[type, ...]] = {
    "prompt": (str,),
    "negative_prompt": (str,),
    "seed": (int,),
    "steps": (int,),
    "guidance_scale": (float, int),
    "scheduler": (str,),
    "width": (int,),
    "height": (int,),
    "model": (str,),
    "model_family": (str,),
    "strength": (float, int, type(None)),
    "source_sha256": (str, type(None)),
    "software": (str,),
}


def to_json(recipe: Recipe) -> str:
    """Convert a recipe to versioned JSON in ASCII."""
    return json.dumps({"version": VERSION, **asdict(recipe)})


def from_json(text: str) -> Recipe:
    """Parse the JSON of :func:`to_json`; unknown fields are ignored, missing ones get their defaults.

    Raises :class:`RecipeError` for broken JSON, a newer version, a missing prompt or a value of the wrong
    type.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError("The recipe is not valid JSON; it may have been cut off or edited.") from error
    if not isinstance(data, dict) or not isinstance(data.get("version"), int):
        raise RecipeError("The recipe does not say its version; it may have been edited.")
    if data["version"] > VERSION:
        raise RecipeError("The recipe was written by a newer version of this program; update to read it.")
    if "prompt" not in data:
        raise RecipeError("The recipe has no prompt; it may have been edited.")

    values = {name: _checked(name, data[name], types) for name, types in _TYPES.items() if name in data}
    concepts = data.get("concepts", [])
    if not isinstance(concepts, list) or not all(isinstance(concept, dict) for concept in concepts):
        raise _wrong_value("concepts")
    uses = tuple(
        ConceptUse(
            token=_checked("concepts", concept.get("token"), (str,)),
            sha256=_checked("concepts", concept.get("sha256"), (str,)),
            strength=_checked("concepts", concept.get("strength", 1.0), (float, int)),
        )
        for concept in concepts
    )
    return Recipe(**values, concepts=uses)


def _checked(name: str, value: Any, types: tuple[type, ...]) -> Any:
    if isinstance(value, bool) or not isinstance(value, types):
        raise _wrong_value(name)
    if isinstance(value, (int, float)) and not -(2**63) <= value < 2**64:  # also refuses infinity and NaN
        raise _wrong_value(name)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:  # an unpaired surrogate
            raise _wrong_value(name) from error
    return float(value) if float in types and isinstance(value, int) else value


def _wrong_value(name: str) -> RecipeError:
    return RecipeError(
        'The recipe\'s value for "{name}" cannot be used; it may have been edited.', name=setting(name)
    )


def to_parameters(recipe: Recipe) -> str:
    """Convert a recipe to A1111's ``parameters`` text: prompt, negative prompt, and one line of settings.

    The format cannot escape prompts: a prompt with a line that begins "Negative prompt:" reads back
    differently.
    """
    settings = {
        "Steps": str(recipe.steps),
        "Sampler": SCHEDULER_LABELS.get(recipe.scheduler, recipe.scheduler),
        "CFG scale": _format_number(recipe.guidance_scale),
        "Seed": str(recipe.seed),
    }
    if recipe.width and recipe.height:
        settings["Size"] = f"{recipe.width}x{recipe.height}"
    if recipe.model:
        settings["Model"] = recipe.model
    if recipe.strength is not None:
        settings["Denoising strength"] = _format_number(recipe.strength)
    if recipe.concepts:
        settings["TI hashes"] = ", ".join(
            f"{use.token.strip('<>')}: {use.sha256[:SHORT_HASH_LENGTH]}" for use in recipe.concepts
        )
    if recipe.software:
        settings["Version"] = recipe.software

    lines = [recipe.prompt] if recipe.prompt else []
    if recipe.negative_prompt:
        lines.append(f"Negative prompt: {recipe.negative_prompt}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items()))
    return "\n".join(lines)


def _format_number(number: float) -> str:
    return repr(number).removesuffix(".0")


def _quoted(value: str) -> str:
    if re.search(r'[,:"\r\n]', value) or value != value.strip():
        return json.dumps(value, ensure_ascii=False)
    return value


_SETTINGS_LINE = re.compile(r"(?:^|,)\s*Steps:\s*\d")
_SETTING = re.compile(r'(?P<key>[^:,]*)(?::\s*(?P<value>"(?:\\.|[^"\\])*"(?=\s*(?:,|$))|[^,]*)\s*)?(?:,|$)')
_NEGATIVE_PROMPT = re.compile(r"^[ \t]*Negative prompt: ?", re.MULTILINE)
_DEFAULT_SCHEDULES = {"", "automatic", "uniform"}


def from_parameters(text: str) -> Recipe:
    """Parse A1111's ``parameters`` text; settings that a recipe does not have are ignored.

    Sampler names are mapped to this program's names where possible, and kept as they are otherwise. Raises
    :class:`RecipeError` if there is no line of settings or a number in it cannot be read.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    last = next((index for index in reversed(range(len(lines))) if _SETTINGS_LINE.search(lines[index])), None)
    if last is None:
        raise RecipeError('The text has no line of settings such as "Steps: 25, Sampler: DDIM, Seed: 1".')
    settings = _read_settings(lines[last])
    prompt, negative_prompt = _read_prompts("\n".join(lines[:last]))

    values: dict[str, Any] = {}
    for key, name, convert in (
        ("Steps", "steps", int),
        ("Seed", "seed", int),
        ("CFG scale", "guidance_scale", float),
        ("Denoising strength", "strength", float),
    ):
        if key in settings:
            values[name] = _read_number(key, settings[key], name, convert)
    if any(key.startswith("Hires") for key in settings):
        values.pop("strength", None)  # belongs to A1111's second, larger pass, not to a source picture
    if size := re.fullmatch(r"(\d{1,6})\s*x\s*(\d{1,6})", settings.get("Size", "")):
        values["width"], values["height"] = int(size[1]), int(size[2])
    if "Sampler" in settings:
        values["scheduler"] = _read_scheduler(settings["Sampler"], settings.get("Schedule type", ""))
    return Recipe(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=settings.get("Model", ""),
        concepts=_read_hashes(settings.get("TI hashes", ""), prompt + "\n" + negative_prompt),
        software=settings.get("Version", ""),
        **values,
    )


def _read_settings(line: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for match in _SETTING.finditer(line):
        if match["value"] is not None:
            settings.setdefault(match["key"].strip(), _unquoted(match["value"].strip()))
    return settings


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _read_prompts(text: str) -> tuple[str, str]:
    negative = _NEGATIVE_PROMPT.search(text)
    if negative is None:
        return text, ""
    return text[: max(negative.start() - 1, 0)], text[negative.end() :]


def _read_number(key: str, value: str, name: str, convert: type[int] | type[float]) -> int | float:
    try:
        number: int | float = _checked(name, convert(value), _TYPES[name])
    except ValueError:
        raise RecipeError(
            'The setting "{setting}" is no number; it may have been edited.', setting=f"{key}: {value[:40]}"
        ) from None
    return number


def _read_scheduler(sampler: str, schedule: str) -> str:
    label = sampler
    if schedule.lower() not in _DEFAULT_SCHEDULES and not sampler.lower().endswith(schedule.lower()):
        label = f"{sampler} {schedule}"
    ours = {known.lower(): scheduler for scheduler, known in SCHEDULER_LABELS.items()}
    return ours.get(label.lower(), label)


def _read_hashes(hashes: str, prompts: str) -> tuple[ConceptUse, ...]:
    """Parse A1111's hashes of embeddings, which it names without brackets.

    A name becomes a concept token if it appears in the prompts in brackets.
    """
    uses = []
    for entry in hashes.split(","):
        name, colon, digits = entry.partition(":")
        if colon and name.strip():
            token = f"<{name.strip()}>"
            uses.append(ConceptUse(token if token in prompts else name.strip(), digits.strip()))
    return tuple(dict.fromkeys(uses))


def save_png(image: Image.Image, path: Path, recipe: Recipe) -> None:
    """Save a picture with its recipe as PNG; the file is written completely or not at all."""
    chunks = PngInfo()
    chunks.add_text(PARAMETERS_CHUNK, to_parameters(recipe))
    chunks.add_text(RECIPE_CHUNK, to_json(recipe))
    write_whole(path, lambda partial: image.save(partial, format="PNG", pnginfo=chunks))


def read_recipe(source: Path | IO[bytes], *, name: str | None = None) -> Recipe:
    """Read the recipe in a PNG file: this program's own if there is one, otherwise A1111's.

    ``name`` is what errors call the file. Raises :class:`RecipeError` if the file cannot be read, is not a
    PNG, or holds no recipe. Pillow limits the size of the text that a file may contain or decompress to
    (``PngImagePlugin.MAX_TEXT_CHUNK`` and ``MAX_TEXT_MEMORY``).
    """
    name = name or Path(str(getattr(source, "name", ""))).name or "The picture"
    chunks = _read_chunks(source, name)
    try:
        if RECIPE_CHUNK in chunks:
            return from_json(chunks[RECIPE_CHUNK])
        if PARAMETERS_CHUNK in chunks:
            return from_parameters(chunks[PARAMETERS_CHUNK])
    except RecipeError as error:
        raise RecipeError(
            "{name}: {error} Choose the file as it was first saved.", name=name, error=error
        ) from error
    raise RecipeError(
        "{name} holds no recipe. Choose a PNG file as this program or A1111 saved it; sites and picture "
        "editors often remove the recipe.",
        name=name,
    )


def _read_chunks(source: Path | IO[bytes], name: str) -> dict[str, str]:
    try:
        with Image.open(source, formats=["PNG"]) as image:
            if RECIPE_CHUNK in image.info or PARAMETERS_CHUNK in image.info:
                return {str(key): value for key, value in image.info.items() if isinstance(value, str)}
            return dict(getattr(image, "text", {}))  # decodes the picture, because text may follow the pixels
    except FileNotFoundError as error:
        raise RecipeError("{name} does not exist. Choose a PNG picture that does.", name=name) from error
    except Image.UnidentifiedImageError as error:
        raise RecipeError(
            "{name} is not a readable PNG file. Only PNG pictures hold a recipe.", name=name
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise RecipeError(
            "{name} cannot be read as PNG ({error}). Choose the file as first saved.", name=name, error=error
        ) from error
