"""Picture files of every kind become the same upright RGB; an unusable one is refused with its name."""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw

from ti_core.errors import PictureError
from ti_core.pictures import decode
from ti_core.pictures.colour import split_alpha
from ti_core.pictures.decode import open_picture
from ti_core.pictures.folders import PICTURE_SUFFIXES, find_pictures, load_pictures
from ti_core.pictures.prepare import Picture, fingerprint, loss_mask, prepare_picture, to_pixels
from ti_core.pictures.remarks import find_near_duplicates, share_background

RED, GREEN, BLUE, YELLOW, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255)
SUFFIX_OF_FORMAT = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "AVIF": ".avif",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "HEIF": ".heic",
}
# For each EXIF orientation, the transposition that makes the stored picture from the upright one.
STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(width: int = 128, height: int = 64) -> Image.Image:
    """Draw four quarters: red top left, green top right, blue bottom left, yellow bottom right."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), BLUE)
    draw.rectangle((width // 2, height // 2, width, height), YELLOW)
    return image


def is_close(pixel, colour, tolerance: int = 40) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


def assert_is_upright_quarters(image: Image.Image) -> None:
    """Check the colours of all four corners, with a tolerance for lossy formats."""
    right, bottom = image.width - 5, image.height - 5
    corners = [image.getpixel(at) for at in ((4, 4), (right, 4), (4, bottom), (right, bottom))]
    for pixel, colour in zip(corners, (RED, GREEN, BLUE, YELLOW), strict=True):
        assert is_close(pixel, colour), f"corners are {corners}"


def save(image: Image.Image, path: Path, format: str | None = None, **options) -> Path:
    if path.suffix == ".heic" or format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    image.save(path, format, **options)
    return path


def png_with_16_bit_rgb(path: Path, colour: tuple[int, int, int]) -> Path:
    """Write a 16-bit RGB PNG chunk by chunk, because Pillow cannot."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + struct.pack(">3H", *colour) * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def profile_with_red_and_blue_swapped() -> bytes:
    """Return an RGB profile that is not sRGB: its tag table swaps the red and the blue primary."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))


# --- formats and orientation ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", SUFFIX_OF_FORMAT)
def test_every_format_opens_whatever_its_suffix_says(tmp_path, format):
    for suffix in (SUFFIX_OF_FORMAT[format], ".jpg"):
        path = save(quarters(), tmp_path / f"picture{suffix}", format)
        image, mask, _ = open_picture(path)
        assert image.mode == "RGB" and image.size == (128, 64) and mask is None
        assert_is_upright_quarters(image)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"])
def test_sideways_pictures_come_upright(tmp_path, format, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = quarters().transpose(STORED_AS[orientation])
    path = save(
        stored, tmp_path / f"sideways{SUFFIX_OF_FORMAT[format]}", format, exif=exif.tobytes(), quality=95
    )
    image, _, remarks = open_picture(path)
    assert image.size == (128, 64)
    assert_is_upright_quarters(image)
    if format != "HEIF":  # its reader already turns the picture, by a tag of its own
        assert any("upright" in str(remark) for remark in remarks)


def test_an_upright_picture_has_no_remarks(tmp_path):
    assert open_picture(save(quarters(), tmp_path / "a.png"))[2] == ()


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_is_used(tmp_path, format):
    frames = {"save_all": True, "append_images": [Image.new("RGB", (128, 64), "black")]}
    path = save(quarters(), tmp_path / "moving", format, **frames)
    image, _, remarks = open_picture(path)
    assert_is_upright_quarters(image)
    assert any("first" in str(remark) for remark in remarks)


def test_a_phones_jpeg_with_a_hidden_second_picture_is_an_ordinary_jpeg(tmp_path):
    path = save(
        quarters(), tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (128, 64))]
    )
    image, _, remarks = open_picture(path)
    assert_is_upright_quarters(image)
    assert remarks == ()


def test_streams_open_like_files(tmp_path):
    data = save(quarters(), tmp_path / "a.png").read_bytes()
    image, _, _ = open_picture(io.BytesIO(data))
    assert_is_upright_quarters(image)
    assert prepare_picture(io.BytesIO(data), 64, name="upload.png").name == "upload.png"
    with (tmp_path / "a.png").open("rb") as stream:
        assert prepare_picture(stream, 64).name == "a.png"
        assert not stream.closed


# --- colour and depth -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "values", "expected"),
    [
        (".png", np.full((8, 8), 32768, np.uint16), 128),  # "I;16"
        (".tif", np.full((8, 8), 32768, np.uint16), 128),
        (".tif", np.full((8, 8), 32768, ">u2"), 128),  # "I;16B"
        (".tif", np.full((8, 8), 32768, np.int32), 128),  # "I" that holds 16-bit values
        (".tif", np.full((8, 8), 100, np.int32), 100),  # "I" that holds 8-bit values
        (".tif", np.full((8, 8), 2**30, np.int32), 128),  # "I" at full depth
        (".tif", np.full((8, 8), 0.5, np.float32), 128),  # "F" in [0, 1]
        (".tif", np.full((8, 8), 100.0, np.float32), 100),  # "F" in [0, 255]
        (".tif", np.full((8, 8), np.nan, np.float32), 0),
    ],
)
def test_deep_greyscale_keeps_its_brightness(tmp_path, suffix, values, expected):
    image, mask, _ = open_picture(save(Image.fromarray(values), tmp_path / f"deep{suffix}"))
    assert image.mode == "RGB" and mask is None
    assert is_close(image.getpixel((4, 4)), (expected,) * 3, tolerance=1)


def test_16_bit_rgb_keeps_its_brightness(tmp_path):
    image, _, _ = open_picture(png_with_16_bit_rgb(tmp_path / "deep.png", (65535, 32768, 0)))
    assert is_close(image.getpixel((4, 4)), (255, 128, 0), tolerance=1)


@pytest.mark.parametrize(
    ("mode", "colour", "format", "expected"),
    [
        ("1", 1, "PNG", WHITE),
        ("L", 100, "PNG", (100, 100, 100)),
        ("P", 0, "PNG", (10, 200, 30)),
        ("CMYK", (0, 255, 255, 0), "JPEG", RED),
        ("CMYK", (0, 255, 255, 0), "TIFF", RED),
        ("LAB", (255, 128, 128), "TIFF", WHITE),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, colour, format, expected):
    stored = Image.new(mode, (16, 16), colour)
    if mode == "P":
        stored.putpalette([10, 200, 30])
    image, mask, _ = open_picture(save(stored, tmp_path / "picture", format))
    assert image.mode == "RGB" and mask is None
    assert is_close(image.getpixel((8, 8)), expected, tolerance=6)


@pytest.mark.parametrize("stored", [Image.new("RGB", (16, 16), RED), Image.new("L", (16, 16), 128)])
def test_an_embedded_profile_is_applied(tmp_path, stored):
    path = save(stored, tmp_path / "wide.png", icc_profile=profile_with_red_and_blue_swapped())
    image, _, remarks = open_picture(path)
    expected = BLUE if stored.mode == "RGB" else (128, 128, 128)
    assert is_close(image.getpixel((8, 8)), expected, tolerance=6)
    assert any("xRGB" in str(remark) for remark in remarks)


def test_an_srgb_profile_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, _, remarks = open_picture(save(quarters(), tmp_path / "a.png", icc_profile=srgb))
    assert image.tobytes() == quarters().tobytes() and remarks == ()


def test_a_broken_profile_is_ignored_and_said(tmp_path):
    image, _, remarks = open_picture(save(quarters(), tmp_path / "a.png", icc_profile=b"not a profile"))
    assert image.tobytes() == quarters().tobytes()
    assert any("profile" in str(remark) and "ignored" in str(remark) for remark in remarks)


def test_metadata_is_stripped(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "a person"
    image, _, _ = open_picture(
        save(quarters(), tmp_path / "a.jpg", exif=exif, dpi=(72, 72), comment=b"a secret")
    )
    assert image.info == {} and len(image.getexif()) == 0
    assert prepare_picture(tmp_path / "a.jpg", 64).image.info == {}


# --- transparency -----------------------------------------------------------------------------------------


def half_transparent(mode: str) -> Image.Image:
    """Left half opaque (dark where grey, red where coloured), right half transparent over black."""
    image = Image.new(mode, (64, 64), (0, 0) if mode in ("LA", "PA") else (0, 0, 0, 0))
    image.paste((50, 255) if mode in ("LA", "PA") else (*RED, 255), (0, 0, 32, 64))
    return image


def palette_with_transparent_entry() -> Image.Image:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([*RED, 0, 0, 0])
    image.paste(0, (0, 0, 32, 64))
    return image


@pytest.mark.parametrize(
    ("stored", "format", "options", "opaque"),
    [
        (half_transparent("RGBA"), "PNG", {}, RED),
        (half_transparent("RGBA"), "WEBP", {"lossless": True}, RED),
        (half_transparent("RGBA"), "AVIF", {}, RED),
        (half_transparent("RGBA"), "HEIF", {}, RED),
        (half_transparent("RGBA"), "TIFF", {}, RED),
        (half_transparent("LA"), "PNG", {}, (50, 50, 50)),
        (palette_with_transparent_entry(), "PNG", {"transparency": 1}, RED),
        (palette_with_transparent_entry(), "PNG", {"transparency": b"\xff\x00"}, RED),
        (palette_with_transparent_entry(), "GIF", {"transparency": 1}, RED),
        (palette_with_transparent_entry().convert("RGB"), "PNG", {"transparency": (0, 0, 0)}, RED),
        (half_transparent("LA").convert("L"), "PNG", {"transparency": 0}, (50, 50, 50)),
    ],
    ids=lambda value: getattr(value, "mode", None) or (value if isinstance(value, str) else ""),
)
def test_alpha_becomes_the_mask_and_white(tmp_path, stored, format, options, opaque):
    path = save(stored, tmp_path / "cut-out", format, **options)
    image, mask, remarks = open_picture(path)
    assert mask is not None and mask.mode == "L" and mask.size == image.size == (64, 64)
    assert mask.getpixel((10, 32)) >= 250 and mask.getpixel((54, 32)) <= 5
    assert is_close(image.getpixel((10, 32)), opaque) and is_close(image.getpixel((54, 32)), WHITE, 5)
    assert any("do not count" in str(remark) for remark in remarks)

    flat, no_mask, remarks = open_picture(path, alpha="flatten")
    assert no_mask is None and flat.tobytes() == image.tobytes()
    assert any("white" in str(remark) for remark in remarks)


def test_a_palette_with_alpha_is_understood(tmp_path):
    """Mode "PA" is stored in no file format, but some conversions produce it in memory."""
    stored = palette_with_transparent_entry()
    stored.info["transparency"] = 1
    colours, alpha = split_alpha(stored.convert("PA"))
    assert alpha is not None and (alpha.getpixel((10, 32)), alpha.getpixel((54, 32))) == (255, 0)
    assert colours.mode == "RGB" and colours.getpixel((10, 32)) == RED


def test_fully_opaque_alpha_is_no_mask(tmp_path):
    _, mask, remarks = open_picture(save(quarters().convert("RGBA"), tmp_path / "a.png"))
    assert mask is None and remarks == ()


@pytest.mark.parametrize("alpha", ["mask", "flatten"])
def test_fully_transparent_is_refused(tmp_path, alpha):
    path = save(Image.new("RGBA", (64, 64)), tmp_path / "nothing.png")
    with pytest.raises(PictureError, match=r"nothing\.png is fully transparent"):
        open_picture(path, alpha=alpha)


def test_the_crop_decides_over_the_mask(tmp_path):
    path = save(half_transparent("RGBA"), tmp_path / "half.png")
    assert prepare_picture(path, 32, crop=(0.0, 0.0, 0.5, 1.0)).mask is None
    with pytest.raises(PictureError, match=r"half\.png is fully transparent inside the crop"):
        prepare_picture(path, 32, crop=(0.5, 0.0, 1.0, 1.0))


# --- files that cannot be used ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"Not a picture, a letter.\n" * 9, "text file"),
        ("Ein Brief mit Umlauten: äöü".encode(), "text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n", "git lfs pull"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "Export it as PNG"),
        (bytes(range(256)) * 4, "format that can be read"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(500), "damaged"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=message) as caught:
        open_picture(path)
    assert "holiday.jpg" in str(caught.value)


@pytest.mark.parametrize("format", SUFFIX_OF_FORMAT)
@pytest.mark.parametrize("kept", [0.02, 0.6])
def test_truncated_files_are_refused_by_name(tmp_path, format, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    path = save(noise, tmp_path / "cut.jpg", format)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(PictureError, match=r"cut\.jpg is damaged"):
        open_picture(path)


def test_corrupted_pixels_are_refused_by_name(tmp_path):
    data = bytearray(save(quarters(), tmp_path / "bad.png").read_bytes())
    middle = data.index(b"IDAT") + 8
    data[middle : middle + 20] = bytes(20)
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(PictureError, match=r"bad\.png is damaged"):
        open_picture(tmp_path / "bad.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(PictureError, match=r"gone\.png cannot be opened"):
        open_picture(tmp_path / "gone.png")
    with pytest.raises(PictureError, match="cannot be opened"):
        open_picture(tmp_path)


def test_too_many_pixels_are_refused_from_the_header(tmp_path, monkeypatch):
    path = save(quarters(), tmp_path / "huge.png")
    path.write_bytes(path.read_bytes()[:60])  # no pixel data is left, so the header alone must suffice
    monkeypatch.setattr(decode, "MAX_PICTURE_PIXELS", 128 * 64 - 1)
    with pytest.raises(PictureError, match=r"huge\.png has more than .* million pixels"):
        open_picture(path)
    monkeypatch.setattr(decode, "MAX_PICTURE_PIXELS", 128 * 64)
    assert open_picture(save(quarters(), path))[0].size == (128, 64)


def test_pillows_own_limit_is_a_picture_error_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PictureError, match=r"huge\.png has more than"):
        open_picture(save(quarters(), tmp_path / "huge.png"))


def test_pillows_warning_of_large_pictures_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 128 * 64 - 1)
    path = save(quarters(), tmp_path / "large.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert prepare_picture(path, 64).original_size == (128, 64)


def test_heic_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    path = save(quarters(), tmp_path / "phone.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"phone\.heic .*pip install pillow-heif"):
        open_picture(path)


# --- finding and loading ----------------------------------------------------------------------------------


def test_find_pictures_in_folders_and_files(tmp_path):
    folder = tmp_path / "cats"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.PNG", "a.jpg", "c.heic", "notes.txt", "a.txt", ".hidden.jpg", "deeper/d.jpg"):
        (folder / name).touch()
    other = tmp_path / "other.data"
    other.touch()
    found = find_pictures(
        [other, folder, folder / "a.jpg", folder / "a.txt", folder / "deeper" / ".." / "b.PNG"]
    )
    assert [path.name for path in found] == ["other.data", "a.jpg", "b.PNG", "c.heic"]
    assert {".jpg", ".heic"} <= PICTURE_SUFFIXES


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".hif", ".heics", ".avifs", ".apng"])
def test_a_rare_suffix_is_a_pictures_too(tmp_path, suffix):
    save(quarters(), tmp_path / f"a{suffix}", "PNG")
    assert [picture.name for picture in load_pictures([tmp_path], 32)[0]] == [f"a{suffix}"]


def test_what_a_folder_holds_beside_pictures_is_named_unless_it_belongs_there(tmp_path):
    save(quarters(), tmp_path / "a.png")
    for name in ("scan.psd", "photo", ".hidden", "a.TXT", "run.json", "metrics.jsonl", "a.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "deeper.d").mkdir()
    pictures, rejected = load_pictures([tmp_path, tmp_path / "a.png"], 32)
    assert [picture.name for picture in pictures] == ["a.png"]
    assert [picture.name for picture in rejected] == ["photo", "scan.psd"]
    assert str(rejected[1].reason).startswith("scan.psd is not named like a picture.")


def test_a_file_that_is_named_itself_is_used_whatever_its_suffix(tmp_path):
    save(quarters(), tmp_path / "a.png")
    save(quarters(), tmp_path / "photo", "PNG")
    pictures, rejected = load_pictures([tmp_path, tmp_path / "photo"], 32)
    assert [picture.name for picture in pictures] == ["a.png", "photo"]
    assert rejected == []


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name hold any bytes")
@pytest.mark.parametrize(
    ("stored", "shown"),
    [(b"\x94L.png", "\ufffdL.png"), (b"a\x1b[2J\n.png", "a\ufffd[2J\ufffd.png")],
)
def test_a_name_is_made_printable(tmp_path, stored, shown):
    good = save(quarters(), tmp_path / "a.png")
    os.rename(good, os.fsencode(tmp_path) + b"/" + stored)
    [picture], _ = load_pictures([tmp_path], 32)
    assert picture.name == shown
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + stored)).write_bytes(b"")
    _, [rejected] = load_pictures([tmp_path], 32)
    assert rejected.name == shown and str(rejected.reason).startswith(f"{shown} is an empty file")


def test_find_pictures_refuses_what_is_not_there(tmp_path):
    with pytest.raises(PictureError, match=r"gone\.jpg does not exist"):
        find_pictures([tmp_path / "gone.jpg"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="empty holds no pictures"):
        find_pictures([tmp_path / "empty"])
    with pytest.raises(PictureError, match="No picture was given"):
        find_pictures([])


def test_find_pictures_names_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # chmod would have no effect for an administrator
    with pytest.raises(PictureError, match=r"cannot be read \(Permission denied\)"):
        find_pictures([tmp_path])


def test_one_bad_file_of_five_leaves_four(tmp_path):
    for index in range(5):
        save(quarters(), tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"Dear diary")
    pictures, rejected = load_pictures([tmp_path], 64)
    assert [picture.name for picture in pictures] == ["0.png", "1.png", "3.png", "4.png"]
    assert [picture.name for picture in rejected] == ["2.png"]
    assert str(rejected[0].reason).startswith("2.png is a text file")


# --- preparing --------------------------------------------------------------------------------------------


def test_centre_crop_to_the_aspect_ratio(tmp_path):
    wide = Image.new("RGB", (300, 100), BLUE)
    wide.paste(RED, (100, 0, 200, 100))
    path = save(wide, tmp_path / "wide.png")
    square = prepare_picture(path, 64)
    assert square.image.size == (64, 64) and square.original_size == (300, 100)
    assert {square.image.getpixel(at) for at in ((1, 1), (62, 1), (1, 62), (62, 62))} == {RED}
    landscape = prepare_picture(path, (96, 32)).image
    assert landscape.size == (96, 32)
    assert [landscape.getpixel((x, 16)) for x in (5, 48, 90)] == [BLUE, RED, BLUE]


def test_a_chosen_crop(tmp_path):
    path = save(quarters(), tmp_path / "a.png")
    kept = prepare_picture(path, 32, crop=(0.5, 0.5, 1.0, 1.0)).image
    assert {kept.getpixel(at) for at in ((1, 1), (30, 1), (1, 30), (30, 30))} == {YELLOW}


@pytest.mark.parametrize(
    "crop", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.0, 2.0, 1.0), (0.9, 0.0, 0.1, 1.0), (0, 0, 1e-9, 1)]
)
def test_a_crop_that_keeps_nothing_is_refused(tmp_path, crop):
    with pytest.raises(PictureError, match=r"keeps nothing of a\.png"):
        prepare_picture(save(quarters(), tmp_path / "a.png"), 32, crop=crop)


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (333, 777)])
@pytest.mark.parametrize("target", [64, (96, 32), (32, 96)])
def test_any_shape_gets_the_asked_size(tmp_path, size, target):
    picture = prepare_picture(save(Image.new("RGB", size, GREEN), tmp_path / "a.png"), target)
    assert picture.image.size == ((target, target) if isinstance(target, int) else target)
    assert picture.image.getextrema() == ((0, 0), (128, 128), (0, 0))


def test_remarks_on_size_and_shape(tmp_path):
    def remarks(*size: int) -> str:
        return "; ".join(
            map(str, prepare_picture(save(Image.new("RGB", size), tmp_path / "a.png"), 64).remarks)
        )

    assert remarks(64, 64) == remarks(192, 64) == remarks(200, 300) == ""
    assert "smaller than the model's 64 px; it was enlarged" in remarks(200, 63)
    assert "very elongated (4.0 to 1)" in remarks(400, 100)
    assert "very elongated (4.0 to 1)" in remarks(100, 400)


def test_captions(tmp_path):
    path = save(quarters(), tmp_path / "a.png")
    assert prepare_picture(path, 32).caption is None
    for content, expected in [
        (b"  a cat on a sofa \n", "a cat on a sofa"),
        ("\ufeffgrüne\r\nWiese".encode(), "grüne Wiese"),
        (b" \n", None),
    ]:
        (tmp_path / "a.txt").write_bytes(content)
        picture = prepare_picture(str(path), 32)
        assert picture.caption == expected and not any("caption" in str(remark) for remark in picture.remarks)
    (tmp_path / "a.txt").write_bytes("grün".encode("latin-1"))
    picture = prepare_picture(path, 32)
    assert picture.caption is None and any(
        "a.txt is not readable" in str(remark) for remark in picture.remarks
    )


@pytest.mark.parametrize("suffix", [".TXT", ".Txt"])
def test_a_captions_suffix_may_be_in_capitals(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("a cat", encoding="utf-8")
    assert prepare_picture(save(quarters(), tmp_path / "a.png"), 32).caption == "a cat"


# --- what training is given -------------------------------------------------------------------------------


def picture_of(image: Image.Image, mask: Image.Image | None = None, caption: str | None = None) -> Picture:
    return Picture("a.png", image, mask, caption, image.size, ())


def test_fingerprint_follows_what_training_sees():
    plain = quarters(32, 32)
    other = plain.copy()
    other.putpixel((5, 5), (1, 2, 3))
    mask = Image.new("L", (32, 32), 255)
    variants = [
        picture_of(plain),
        picture_of(other),
        picture_of(plain, caption="a cat"),
        picture_of(plain, mask=mask),
        picture_of(Image.frombytes("RGB", (64, 16), plain.tobytes())),
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)
    renamed = Picture("b.png", plain.copy(), None, None, (9, 9), ("a remark",))
    assert fingerprint(renamed) == fingerprint(variants[0])


def test_near_duplicates_are_found(tmp_path):
    noise = np.random.default_rng(0)
    scenes = [
        Image.fromarray(noise.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((128, 128))
        for _ in range(3)
    ]
    paths = [save(scene, tmp_path / f"{index}.png") for index, scene in enumerate(scenes)]
    paths.append(save(scenes[1].resize((100, 100)), tmp_path / "again.jpg", quality=60))
    assert find_near_duplicates([prepare_picture(path, 64) for path in paths]) == [(1, 3)]


def test_a_shared_background_is_one_that_all_share():
    white, ivory, navy = (picture_of(Image.new("RGB", (16, 16), name)) for name in ("white", "ivory", "navy"))
    assert share_background([white, ivory])
    assert not share_background([white, ivory, navy])
    assert not share_background([white])


def test_pixels_and_mask_as_arrays():
    image = Image.new("RGB", (4, 2), (0, 255, 51))
    image.putpixel((3, 0), WHITE)
    mask = Image.new("L", (4, 2), 255)
    mask.putpixel((3, 0), 0)
    pixels = to_pixels([picture_of(image), picture_of(image)])
    assert pixels.shape == (2, 3, 2, 4) and pixels.dtype == np.float32 and pixels.flags.c_contiguous
    assert pixels[0, :, 1, 0] == pytest.approx([-1.0, 1.0, -0.6]) and (pixels[0, :, 0, 3] == 1.0).all()

    assert loss_mask([picture_of(image)]) is None
    masks = loss_mask([picture_of(image), picture_of(image, mask)])
    assert masks is not None and masks.shape == (2, 1, 2, 4) and masks.dtype == np.float32
    assert (masks[0] == 1.0).all() and masks[1, 0, 0, 3] == 0.0 and masks[1].sum() == 7.0
