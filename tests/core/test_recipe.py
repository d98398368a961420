from __future__ import annotations

import io
import json
import random
import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from ti_core.drawing.recipe import (
    PARAMETERS_CHUNK,
    RECIPE_CHUNK,
    SCHEDULER_LABELS,
    ConceptUse,
    Recipe,
    from_json,
    from_parameters,
    read_recipe,
    save_png,
    to_json,
    to_parameters,
)
from ti_core.errors import RecipeError

FULL = Recipe(
    prompt="a (photo:1.2) of <our-cat>\nin the style of <ink>",
    negative_prompt="blurry, [text]\nframe",
    seed=2**53 + 1,
    steps=30,
    guidance_scale=6.1234567890123,
    scheduler="dpm++_2m_karras",
    width=512,
    height=768,
    model="runs: some, \"model\"\n'猫'",
    model_family="sd1",
    concepts=(ConceptUse("<our-cat>", "ab" * 32), ConceptUse("<ink>", "0c" * 32)),
    strength=0.6,
    source_sha256="12" * 32,
)

PROMPTS = (
    "",
    " ",
    "うちの<our-cat>、夕方の港で",
    "🐈‍⬛ <our-cat> 👩🏽‍🚀",
    'she said "hi", (a:1.2), [b], {c}: \\d\\ \\n',
    "café naïve\xa0\x85",
    "line one\n\n  line three\n",
    "\n\nlate start",
    "tab\there, and a\x00 zero, and a \u2028 separator",
    "Steps: 3, Sampler: DDIM, Seed: 9",
    "a cat\nSteps: 3, Sampler: DDIM, CFG scale: 7, Seed: 9",
    '", Steps: 4, "',
    "x" * 20_000,
)


def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((8, 8)).convert("RGB")


def png_with(chunks: dict[str, str], compress: bool = False) -> io.BytesIO:
    info = PngImagePlugin.PngInfo()
    for key, text in chunks.items():
        info.add_text(key, text, zip=compress)
    file = io.BytesIO()
    picture().save(file, format="PNG", pnginfo=info)
    file.seek(0)
    return file


def as_parameters_tell(recipe: Recipe) -> Recipe:
    """The recipe as A1111's text format preserves it: short hashes, no family, no hash of the source."""
    concepts = tuple(ConceptUse(use.token, use.sha256[:12]) for use in recipe.concepts)
    return replace(recipe, concepts=concepts, model_family="", source_sha256=None)


# Round trips


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("negative_prompt", ["", *PROMPTS[2:6]])
def test_a_recipe_survives_json_text_and_png(prompt: str, negative_prompt: str, tmp_path: Path) -> None:
    for recipe in (
        Recipe(prompt, negative_prompt),
        replace(FULL, prompt=prompt, negative_prompt=negative_prompt),
    ):
        assert from_json(to_json(recipe)) == recipe
        save_png(picture(), tmp_path / "猫.png", recipe)
        assert read_recipe(tmp_path / "猫.png") == recipe


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("negative_prompt", ["", *PROMPTS[2:6]])
def test_parameters_read_back(prompt: str, negative_prompt: str) -> None:
    recipe = replace(FULL, prompt=prompt, negative_prompt=negative_prompt, concepts=())
    assert from_parameters(to_parameters(recipe)) == as_parameters_tell(recipe)


def test_many_nasty_prompts_read_back_from_parameters() -> None:
    rng = random.Random(0)
    pieces = [
        ",",
        ":",
        '"',
        "\\",
        "\n",
        " ",
        "Steps: 1",
        "Seed: 2",
        "(",
        ")",
        "<our-cat>",
        "猫",
        "🐈",
        "{}",
        "negative",
    ]
    for _ in range(2000):
        prompt, negative, model = ("".join(rng.choices(pieces, k=rng.randrange(10))) for _ in range(3))
        recipe = Recipe(prompt, negative, seed=5, model=model)
        assert from_parameters(to_parameters(recipe)) == recipe
        assert from_json(to_json(recipe)) == recipe


def test_a_whole_recipe_in_both_forms() -> None:
    assert from_json(to_json(FULL)) == FULL
    assert from_parameters(to_parameters(FULL)) == as_parameters_tell(FULL)


@pytest.mark.parametrize("scheduler", [*SCHEDULER_LABELS, "heun", "a, strange: one"])
def test_schedulers_read_back(scheduler: str) -> None:
    assert from_parameters(to_parameters(Recipe("a cat", scheduler=scheduler))).scheduler == scheduler


# The forms themselves


def test_parameters_are_written_as_a1111_writes_them() -> None:
    assert to_parameters(replace(FULL, guidance_scale=7.0, model="demo", seed=1)) == (
        "a (photo:1.2) of <our-cat>\nin the style of <ink>\n"
        "Negative prompt: blurry, [text]\nframe\n"
        "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x768, Model: demo, "
        'Denoising strength: 0.6, TI hashes: "our-cat: abababababab, ink: 0c0c0c0c0c0c", Version: One Word'
    )
    assert to_parameters(Recipe("")) == (
        "Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 0, Version: One Word"
    )


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("plain name", "Model: plain name,"),
        ("a, b", 'Model: "a, b",'),
        ("C:\\models", 'Model: "C:\\\\models",'),
        ('"5 inch"', 'Model: "\\"5 inch\\"",'),
        ("a\nb", 'Model: "a\\nb",'),
        ("猫: 1", 'Model: "猫: 1",'),
    ],
)
def test_values_are_quoted_when_they_need_it(model: str, written: str) -> None:
    text = to_parameters(Recipe("a cat", model=model))
    assert written in text
    assert from_parameters(text).model == model


def test_a_picture_of_a1111_is_read() -> None:
    text = (
        "masterpiece, (cat:1.3),\nEasyNegative <lora:x:0.8>\n"
        "Negative prompt: bad_hands,\nugly\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x640, "
        'Model hash: 45dee52b, Model: v1-5-pruned, Clip skip: 2, ADetailer prompt: "a, \\"b\\": c\\nSeed: 3",'
        ' TI hashes: "EasyNegative: c74b4e810b03, EasyNegative: c74b4e810b03", Version: v1.10.1\r\n'
    )
    assert from_parameters(text) == Recipe(
        prompt="masterpiece, (cat:1.3),\nEasyNegative <lora:x:0.8>",
        negative_prompt="bad_hands,\nugly",
        seed=965400086,
        steps=20,
        guidance_scale=7.0,
        scheduler="dpm++_2m_karras",
        width=512,
        height=640,
        model="v1-5-pruned",
        concepts=(ConceptUse("EasyNegative", "c74b4e810b03"),),
        software="v1.10.1",
    )


@pytest.mark.parametrize(
    ("settings", "scheduler"),
    [
        ("Sampler: Euler a", "euler_a"),
        ("Sampler: euler", "euler"),
        ("Sampler: DPM++ 2M", "dpm++_2m"),
        ("Sampler: DPM++ 2M Karras", "dpm++_2m_karras"),
        ("Sampler: DPM++ 2M Karras, Schedule type: Karras", "dpm++_2m_karras"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "dpm++_2m"),
        ("Sampler: Euler, Schedule type: Beta", "Euler Beta"),
        ("Sampler: DDIM", "ddim"),
        ("Sampler: UniPC", "unipc"),
        ("Sampler: Restart", "Restart"),
    ],
)
def test_sampler_names_are_mapped_where_known(settings: str, scheduler: str) -> None:
    assert from_parameters(f"a cat\nSteps: 20, {settings}, Seed: 1").scheduler == scheduler


def test_a_strength_of_the_second_pass_is_not_a_starting_picture() -> None:
    line = "a cat\nSteps: 20, Seed: 1, Denoising strength: 0.4"
    assert from_parameters(line).strength == 0.4
    assert from_parameters(f"{line}, Hires upscale: 2").strength is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "only a prompt",
        "a cat\nSampler: DDIM, Seed: 1",
        "a cat\nSteps: 20, Seed: one",
        "a cat\nSteps: 20, CFG scale: inf",
        f"a cat\nSteps: {'9' * 5000}",
        f"a cat\nSteps: 20, Seed: {'9' * 30}",
    ],
)
def test_unreadable_parameters_are_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        from_parameters(text)


def test_hostile_parameters_are_read_in_linear_time() -> None:
    begun = time.perf_counter()
    for part in ("a", '"', ': "', ",", " ", ':"\\', "Negative prompt:", '",', "\n"):
        text = "Steps: 1, " + part * 100_000 + "\nSteps: 2, " + part.strip() * 100_000
        assert from_parameters(text).steps == 2
    assert time.perf_counter() - begun < 20  # a quadratic reader takes many minutes


def test_unknown_fields_are_ignored_and_absent_ones_have_defaults() -> None:
    text = '{"version": 1, "prompt": "a cat", "moon": {"phase": 3}, "guidance_scale": 7, "concepts": []}'
    assert from_json(text) == Recipe("a cat", guidance_scale=7.0)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"prompt": None},
        {"prompt": "\ud83d"},
        {"seed": "1"},
        {"seed": True},
        {"seed": 1.5},
        {"seed": 10**40},
        {"guidance_scale": float("nan")},
        {"strength": float("inf")},
        {"strength": "0.5"},
        {"concepts": {}},
        {"concepts": ["<our-cat>"]},
        {"concepts": [{"token": "<our-cat>"}]},
    ],
)
def test_json_with_a_wrong_value_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        from_json(json.dumps({**json.loads(to_json(FULL)), **change}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"a cat"', '{"version": 1}', '{"prompt": "a"}', "[" * 100_000]
)
def test_text_that_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(RecipeError):
        from_json(text)


# Files


def test_the_saved_file_is_the_picture_with_both_chunks(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"an older file")
    save_png(picture(), path, FULL)
    with Image.open(path) as image:
        assert image.tobytes() == picture().tobytes()
        assert image.info[PARAMETERS_CHUNK] == to_parameters(FULL)
        assert image.info[RECIPE_CHUNK] == to_json(FULL)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_save_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    save_png(picture(), path, FULL)
    before = path.read_bytes()
    with pytest.raises(OSError):
        save_png(Image.new("HSV", (8, 8)), path, FULL)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_our_recipe_comes_before_a1111s() -> None:
    ours, theirs = to_json(FULL), "another cat\nSteps: 9, Seed: 3"
    assert read_recipe(png_with({PARAMETERS_CHUNK: theirs, RECIPE_CHUNK: ours})) == FULL
    assert read_recipe(png_with({PARAMETERS_CHUNK: theirs})).prompt == "another cat"
    assert read_recipe(png_with({RECIPE_CHUNK: ours}, compress=True)) == FULL


def test_a_recipe_behind_the_pixels_is_found() -> None:
    body = b"parameters\0a cat\nSteps: 9, Seed: 3"
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    data = png_with({}).getvalue()
    end = data.index(b"IEND") - 4
    assert read_recipe(io.BytesIO(data[:end] + chunk + data[end:])).seed == 3


def test_a_file_without_a_readable_recipe_is_refused_by_name(tmp_path: Path) -> None:
    whole = png_with({RECIPE_CHUNK: to_json(FULL)}).getvalue()
    jpeg = io.BytesIO()
    picture().save(jpeg, format="JPEG")
    broken = {
        "no-recipe.png": png_with({"Comment": "a cat"}).getvalue(),
        "jpeg.png": jpeg.getvalue(),
        "text.png": b"not a picture",
        "empty.png": b"",
        "header-only.png": whole[:40],
        "bad-json.png": png_with({RECIPE_CHUNK: "{"}).getvalue(),
        "bad-text.png": png_with({PARAMETERS_CHUNK: "a cat"}).getvalue(),
        "cut-pixels.png": png_with({}).getvalue()[:-30],
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RecipeError, match=name):
            read_recipe(tmp_path / name)
        with pytest.raises(RecipeError, match="[Tt]he picture"):
            read_recipe(io.BytesIO(data))
    with pytest.raises(RecipeError, match=r"gone\.png does not exist"):
        read_recipe(tmp_path / "gone.png")
    with pytest.raises(RecipeError):
        read_recipe(tmp_path)


def test_text_that_unpacks_to_more_than_the_bound_is_refused() -> None:
    bomb = png_with({PARAMETERS_CHUNK: "a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1)}, compress=True)
    assert len(bomb.getvalue()) < 20_000
    with pytest.raises(RecipeError, match="too large"):
        read_recipe(bomb)
