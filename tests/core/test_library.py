"""The library: adding, renaming, deleting and restoring concepts, and importing untrusted archives."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file, save_file

from ti_core.errors import ConceptError, TokenNameError
from ti_core.model.base import BaseModel
from ti_core.words import archive
from ti_core.words import library as library_module
from ti_core.words.concept import Concept
from ti_core.words.folder import save_concept
from ti_core.words.formats import LAYOUTS, Layout, layouts_for
from ti_core.words.gallery import save_gallery
from ti_core.words.library import DELETED_KEPT, Entry, Library

SD1 = BaseModel("sd15", "sd1", {"clip_l": 32}, "0123456789ab")
SDXL = BaseModel("sdxl", "sdxl", {"clip_l": 32, "clip_g": 48}, "ba9876543210")
TRAINING = {"steps": 400, "learning_rate": {"clip_l": 5e-3}, "stopped": "levelled"}


def make_concept(token: str = "<our-cat>", seed: int = 0, base: BaseModel = SD1) -> Concept:
    generator = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(2, width, generator=generator) for name, width in base.widths.items()}
    return Concept(token, vectors, "object", base, "cat", TRAINING)


def make_pictures(count: int = 2) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (number, 0, 255)) for number in range(count)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def picture_files(entry: Entry) -> dict[str, bytes]:
    return {name: data for name, data in files(entry.folder).items() if name.startswith("concept_images/")}


def tokens(library: Library) -> list[str]:
    entries, errors = library.entries()
    assert errors == []
    return [entry.concept.token for entry in entries]


def assert_holds_only(library: Library, *names: str) -> None:
    """Check that there are only these folders, the lock and deleted concepts, but no half-built folder."""
    assert {path.name for path in library.root.iterdir()} - {".lock", ".deleted"} == set(names)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "ann" / "concepts")


# --- kept and found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [SD1, SDXL], ids=["sd1", "sdxl"])
def test_a_concept_that_was_added_is_found_as_it_was(library: Library, base: BaseModel):
    concept = make_concept(base=base)
    added = library.add(concept, make_pictures())
    for entry in (added, library.find("<our-cat>"), *library.entries()[0]):
        assert entry.concept.sha256 == concept.sha256
        assert entry.concept.training == TRAINING and entry.concept.base == base
        assert entry.folder == library.root / "our-cat"
        assert entry.added == added.added
        assert entry.thumbnail is not None
        with Image.open(entry.thumbnail) as picture:
            assert picture.getpixel((0, 0)) == (0, 0, 255)
    assert_holds_only(library, "our-cat")


def test_an_empty_library_is_no_error_and_makes_no_folder(library: Library):
    assert library.entries() == ([], [])
    with pytest.raises(ConceptError, match="There is no concept <our-cat>"):
        library.find("<our-cat>")
    assert not library.root.exists()


def test_the_newest_comes_first(library: Library):
    for number, time in enumerate((2e9, 3e9, 1e9)):
        entry = library.add(make_concept(f"<cat-{number}>"))
        os.utime(entry.folder / "concept.json", (time, time))
    assert tokens(library) == ["<cat-1>", "<cat-0>", "<cat-2>"]
    assert [entry.added for entry in library.entries()[0]] == [3e9, 2e9, 1e9]


def test_the_thumbnail_is_the_first_picture_by_number_if_there_is_one(library: Library):
    assert library.add(make_concept()).thumbnail is None
    entry = library.add(make_concept("<many>"), make_pictures(11))
    (entry.folder / "concept_images" / "0.png").unlink()
    (entry.folder / "concept_images" / "notes.txt").write_text("", encoding="utf-8")
    assert library.find("<many>").thumbnail == entry.folder / "concept_images" / "1.png"


def test_a_list_decodes_no_picture(library: Library):
    entry = library.add(make_concept(), make_pictures())
    for picture in (entry.folder / "concept_images").iterdir():
        picture.write_bytes(b"no picture")
    assert tokens(library) == ["<our-cat>"]


def test_each_damaged_folder_is_named_and_the_others_stay_usable(library: Library):
    library.add(make_concept("<sound>"))
    for token in ("<cut>", "<emptied>", "<exchanged>", "<unkind>"):
        library.add(make_concept(token))
    (library.root / "cut" / "concept.json").write_text("{", encoding="utf-8")
    (library.root / "emptied" / "learned_embeds.safetensors").unlink()
    save_concept(make_concept("<exchanged>", seed=1), library.root / "other")
    shutil.move(library.root / "other" / "concept.json", library.root / "exchanged" / "concept.json")
    facts = library.root / "unkind" / "concept.json"
    facts.write_text(facts.read_text(encoding="utf-8").replace('"object"', '"thing"'), encoding="utf-8")
    shutil.copytree(library.root / "sound", library.root / "misnamed")
    (library.root / "notes.txt").write_text("a file is no concept", encoding="utf-8")
    entries, errors = library.entries()
    assert [entry.concept.token for entry in entries] == ["<sound>"]
    damaged = {"cut", "emptied", "exchanged", "misnamed", "other", "unkind"}
    assert {str(error).partition(" holds no usable concept")[0] for error in errors} == damaged
    assert len(errors) == len(damaged) and not any(str(library.root) in str(error) for error in errors)
    with pytest.raises(ConceptError, match="cut"):
        library.find("<cut>")
    library.delete("<cut>")
    assert not (library.root / "cut").exists()


def test_a_token_that_is_not_there_names_the_closest(library: Library):
    for token in ("<our-cat>", "<a-robot>", "<con>"):
        library.add(make_concept(token))
    with pytest.raises(ConceptError, match=r"no concept <our-cats>.*Did you mean <our-cat>\?"):
        library.find("<our-cats>")
    with pytest.raises(ConceptError, match=r"Did you mean <our-cat>\?"):
        library.find("Our cat")
    with pytest.raises(ConceptError, match=r"Did you mean <con>\?"):
        library.find("<cone>")
    with pytest.raises(ConceptError, match="Choose one"):
        library.find("<xyz>")


@pytest.mark.parametrize("token", ["..", "<..>", "<../our-cat>", "<our-cat/>", "<.deleted>", "", "<OUR-CAT>"])
def test_what_is_no_token_reaches_no_folder(library: Library, tmp_path: Path, token: str):
    library.add(make_concept())
    for use in (
        library.find,
        library.delete,
        library.restore,
        lambda token: library.rename(token, "x"),
        lambda token: library.export_archive(token, tmp_path / "x.zip"),
    ):
        with pytest.raises(ConceptError, match="There is no concept"):
            use(token)
    assert_holds_only(library, "our-cat")
    assert not (tmp_path / "x.zip").exists()


def test_a_name_that_windows_reserves_gets_another_folder(library: Library):
    entry = library.add(make_concept("<con>"))
    assert entry.folder.name == "con_"
    assert tokens(library) == ["<con>"]
    assert library.rename("<con>", "nul").folder.name == "nul_"
    library.delete("<nul>")
    assert library.restore("<nul>").concept.token == "<nul>"


def test_a_taken_token_is_refused_unless_it_shall_be_replaced(library: Library):
    library.add(make_concept(), make_pictures())
    with pytest.raises(ConceptError, match="<our-cat> in the library already"):
        library.add(make_concept(seed=1))
    assert library.find("<our-cat>").concept.sha256 == make_concept().sha256
    replaced = library.add(make_concept(seed=1), replace=True)
    assert replaced.concept.sha256 == library.find("<our-cat>").concept.sha256 == make_concept(seed=1).sha256
    assert replaced.thumbnail is None
    library.delete("<our-cat>")
    library.restore("<our-cat>")
    library.rename("<our-cat>", "second")
    assert library.restore("<our-cat>").concept.sha256 == make_concept().sha256  # the one that was replaced
    assert_holds_only(library, "our-cat", "second")


def test_a_concept_that_cannot_be_written_whole_leaves_the_one_before(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    library.add(make_concept(), make_pictures())
    before = files(library.root / "our-cat")

    def full(*arguments, **options):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full)
        for token in ("<our-cat>", "<new>"):
            with pytest.raises(ConceptError, match="No space left"):
                library.add(make_concept(token, seed=1), make_pictures(), replace=True)
    assert files(library.root / "our-cat") == before
    assert_holds_only(library, "our-cat")


def test_a_concept_that_cannot_be_put_in_its_place_leaves_the_one_before(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    library.add(make_concept(), make_pictures())
    before = files(library.root / "our-cat")
    original = os.replace

    def refuse(source, target):
        if Path(source).name == "concept":
            raise OSError("the disk is gone")
        original(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(ConceptError, match="the disk is gone"):
            library.add(make_concept(seed=1), replace=True)
        with pytest.raises(ConceptError, match="the disk is gone"):
            library.rename("<our-cat>", "another")
    assert files(library.root / "our-cat") == before
    assert_holds_only(library, "our-cat")


def test_a_library_that_is_no_folder_is_a_concept_error(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConceptError, match="cannot be used"):
        Library(tmp_path / "file").add(make_concept())


def test_free_tokens(library: Library):
    assert library.free_token("Our Cat") == "<our-cat>"
    library.add(make_concept())
    assert library.free_token("Our Cat") == "<our-cat-2>"
    library.add(make_concept("<our-cat-2>"))
    assert library.free_token("<our-cat>") == "<our-cat-3>"
    library.add(make_concept(f"<{'x' * 28}-yz>"))
    assert library.free_token(f"{'x' * 28}-yz") == f"<{'x' * 28}-2>"
    with pytest.raises(TokenNameError):
        library.free_token("猫")


# --- renamed, deleted, brought back -----------------------------------------------------------------------


@pytest.mark.parametrize("base", [SD1, SDXL], ids=["sd1", "sdxl"])
def test_a_renamed_concept_is_the_same_under_another_name(library: Library, base: BaseModel):
    entry = library.add(make_concept(base=base), make_pictures())
    os.utime(entry.folder / "concept.json", (1e9, 1e9))
    pictures = picture_files(entry)
    renamed = library.rename("<our-cat>", "Ann's Cat")
    assert renamed.concept.token == "<anns-cat>" and renamed.folder.name == "anns-cat"
    assert renamed.concept.sha256 == entry.concept.sha256
    assert (renamed.concept.training, renamed.concept.initializer) == (TRAINING, "cat")
    assert renamed.added == 1e9
    assert picture_files(renamed) == pictures
    assert (renamed.folder / "token_identifier.txt").read_text(encoding="utf-8") == "<anns-cat>"
    assert load_file(renamed.folder / "learned_embeds.safetensors").keys() == {"<anns-cat>"}
    card = (renamed.folder / "README.md").read_text(encoding="utf-8")
    assert "our-cat" not in card and "concept_images/1.png" in card
    assert_holds_only(library, "anns-cat")
    assert not (library.root / ".deleted").exists()  # renaming deletes nothing that could be restored


def test_a_name_that_cannot_be_given_leaves_the_concept(library: Library):
    library.add(make_concept())
    library.add(make_concept("<taken>", seed=1))
    with pytest.raises(ConceptError, match="<taken> in the library already"):
        library.rename("<our-cat>", "Taken")
    with pytest.raises(TokenNameError):
        library.rename("<our-cat>", "猫")
    with pytest.raises(ConceptError, match="There is no concept <nobody>"):
        library.rename("<nobody>", "somebody")
    same = library.rename("<our-cat>", "Our cat")
    assert same.concept.sha256 == make_concept().sha256
    assert library.find("<taken>").concept.sha256 == make_concept(seed=1).sha256
    assert_holds_only(library, "our-cat", "taken")


def test_a_deleted_concept_can_be_brought_back(library: Library):
    entry = library.add(make_concept(), make_pictures())
    before = files(entry.folder)
    library.delete("<our-cat>")
    assert library.entries() == ([], [])
    with pytest.raises(ConceptError, match="There is no concept"):
        library.delete("<our-cat>")
    restored = library.restore("<our-cat>")
    assert files(restored.folder) == before
    assert restored.added == entry.added
    with pytest.raises(ConceptError, match="No deleted concept <our-cat>"):
        library.restore("<our-cat>")


def test_the_last_of_several_deleted_comes_back_unless_its_token_is_taken(library: Library):
    for seed in range(2):
        library.add(make_concept(seed=seed))
        library.delete("<our-cat>")
    library.add(make_concept(seed=2))
    with pytest.raises(ConceptError, match="already"):
        library.restore("<our-cat>")
    library.rename("<our-cat>", "third")
    assert library.restore("<our-cat>").concept.sha256 == make_concept(seed=1).sha256


def test_only_the_newest_deleted_are_kept(library: Library):
    for number in range(DELETED_KEPT + 2):
        library.add(make_concept(f"<cat-{number}>"))
        library.delete(f"<cat-{number}>")
    assert len(list((library.root / ".deleted").iterdir())) == DELETED_KEPT
    with pytest.raises(ConceptError, match="No deleted concept <cat-1>"):
        library.restore("<cat-1>")
    assert library.restore("<cat-2>").concept.token == "<cat-2>"


# --- concurrency ------------------------------------------------------------------------------------------


def in_threads(*works: Callable[[], object]) -> list[ConceptError]:
    """Run functions at the same time; return their :class:`ConceptError`s. Any other error fails the test."""
    barrier, errors, failures = threading.Barrier(len(works)), [], []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except ConceptError as error:
            errors.append(error)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return errors


@pytest.mark.parametrize("shared", [True, False], ids=["one object", "an object each"])
def test_of_two_who_take_a_token_at_once_one_gets_it(library: Library, shared: bool):
    others = [library if shared else Library(library.root) for _ in range(4)]
    errors = in_threads(
        *(
            lambda seed=seed, other=other: other.add(make_concept(seed=seed))
            for seed, other in enumerate(others)
        )
    )
    assert len(errors) == 3 and all("already" in str(error) for error in errors)
    assert tokens(library) == ["<our-cat>"]
    assert_holds_only(library, "our-cat")


def test_readers_never_see_half_a_concept(library: Library):
    library.add(make_concept(), make_pictures())
    library.add(make_concept("<b>"), make_pictures())
    whole = {make_concept(seed=seed).sha256 for seed in range(4)}

    def replace() -> None:
        for seed in range(4):
            library.add(make_concept(seed=seed), make_pictures(), replace=True)

    def rename() -> None:
        for _ in range(3):
            library.rename("<b>", "c")
            library.rename("<c>", "b")

    def look() -> None:
        reader = Library(library.root)
        for _ in range(15):
            entries, errors = reader.entries()
            assert errors == [] and len(entries) == 2
            assert reader.find("<our-cat>").concept.sha256 in whole

    assert in_threads(replace, rename, look, look) == []


def test_a_folder_that_vanishes_while_it_is_read_is_not_listed(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    library.add(make_concept())
    library.add(make_concept("<gone>"))
    original = library_module.load_concept

    def load(folder: Path) -> Concept:
        if folder.name == "gone":
            shutil.rmtree(folder)
        return original(folder)

    monkeypatch.setattr(library_module, "load_concept", load)
    assert tokens(library) == ["<our-cat>"]


def test_a_library_in_use_elsewhere_for_long_says_so(library: Library, monkeypatch: pytest.MonkeyPatch):
    library.add(make_concept())
    monkeypatch.setattr(library_module, "LOCK_TIMEOUT", 0)
    with FileLock(library.root / ".lock"), pytest.raises(ConceptError, match="in use elsewhere"):
        library.delete("<our-cat>")
    library.delete("<our-cat>")


# --- archives ---------------------------------------------------------------------------------------------


@pytest.fixture
def native(tmp_path: Path) -> dict[str, bytes]:
    """The files of an intact concept, by path."""
    save_concept(make_concept(), tmp_path / "native", make_pictures())
    return files(tmp_path / "native")


def pack(path: Path, content: dict[str, bytes], prefix: str = "our-cat/", **options) -> Path:
    with zipfile.ZipFile(path, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
        for name, data in content.items():
            archive.writestr(prefix + name, data)
    return path


def refused(library: Library, path: Path) -> str:
    """Return the message with which an archive is refused; check that nothing of it is left."""
    with pytest.raises(ConceptError) as caught:
        library.import_archive(path)
    assert_holds_only(library)
    message = str(caught.value)
    assert path.name in message and ".new-" not in message and "\n" not in message
    return message


@pytest.mark.parametrize("base", [SD1, SDXL], ids=["sd1", "sdxl"])
@pytest.mark.parametrize("token", ["<our-cat>", "<con>"])
def test_an_exported_concept_is_imported_as_it_was(
    library: Library, tmp_path: Path, base: BaseModel, token: str
):
    entry = library.add(make_concept(token, base=base), make_pictures(12))
    make_pictures(1)[0].save(tmp_path / "drawn.png")
    save_gallery([tmp_path / "drawn.png"], entry.folder)
    (entry.folder / "notes.txt").write_text("mine", encoding="utf-8")
    path = library.export_archive(token, tmp_path / "cat.zip")
    assert path == tmp_path / "cat.zip"
    other = Library(tmp_path / "ben")
    imported = other.import_archive(path)
    mine = files(entry.folder)
    assert mine.pop("notes.txt") and mine["gallery/0.png"]
    assert files(imported.folder) == mine
    assert imported.concept.sha256 == entry.concept.sha256
    assert imported.thumbnail == imported.folder / "concept_images" / "0.png"
    with pytest.raises(ConceptError, match=f"{token} in the library already"):
        other.import_archive(path)
    assert_holds_only(other, entry.folder.name)


def test_an_archive_may_hold_the_files_at_its_root_and_what_macos_adds(
    library: Library, tmp_path: Path, native: dict[str, bytes]
):
    extra = {"__MACOSX/._concept.json": b"x", ".DS_Store": b"x", "concept_images/.DS_Store": b"x"}
    imported = library.import_archive(pack(tmp_path / "a.zip", {**extra, **native}, prefix=""))
    assert files(imported.folder) == native


def test_a_comment_at_the_end_of_an_archive_does_no_harm(
    library: Library, tmp_path: Path, native: dict[str, bytes]
):
    path = pack(tmp_path / "a.zip", native)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"c" * 1000
    assert library.import_archive(path).concept.token == "<our-cat>"


def test_the_card_is_written_anew(library: Library, tmp_path: Path, native: dict[str, bytes]):
    path = pack(tmp_path / "a.zip", {**native, "README.md": b"<script>", "token_identifier.txt": b"<other>"})
    assert files(library.import_archive(path).folder) == native


def test_an_export_to_where_nothing_can_be_written_is_a_concept_error(library: Library, tmp_path: Path):
    library.add(make_concept())
    with pytest.raises(ConceptError, match="<our-cat> could not be written"):
        library.export_archive("<our-cat>", tmp_path / "missing" / "a.zip")


def test_a_concept_too_large_to_import_is_not_exported(library: Library, tmp_path: Path):
    entry = library.add(make_concept())
    (entry.folder / "README.md").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ConceptError, match=r"README.md in <our-cat> is larger than 1 MiB"):
        library.export_archive("<our-cat>", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.txt", "somewhere else"),
        ("our-cat/../../evil.txt", "somewhere else"),
        ("/evil.txt", "somewhere else"),
        ("our-cat//concept_images/7.png", "somewhere else"),
        ("C:/evil.txt", "somewhere else"),
        ("our-cat/concept_images\\7.png", "somewhere else"),
        ("our-cat/concept_images/7.png:stream", "somewhere else"),
        ("our-cat/evil.py", "no part of a concept"),
        ("our-cat/concept_images/7.svg", "no part of a concept"),
        ("our-cat/concept_images/cat.png", "no part of a concept"),
        ("our-cat/concept_images/7/7.png", "no part of a concept"),
        ("our-cat/gallery/cat.png", "no part of a concept"),
        ("our-cat/README.md/x", "no part of a concept"),
        ("our-cat/\x1b[31m\n" + "x" * 500, "no part of a concept"),
        ("second/concept.json", "more than one folder"),
    ],
)
def test_a_file_that_does_not_belong_there_is_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes], name: str, reason: str
):
    path = pack(tmp_path / "a.zip", native)
    info = zipfile.ZipInfo()
    info.filename = info.orig_filename = name  # set here, because the constructor would repair it on Windows
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, b"x")
    message = refused(library, path)
    assert reason in message and len(message) < 200
    assert not (tmp_path / "evil.txt").exists() and not (library.root.parent / "evil.txt").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_is_refused(library: Library, tmp_path: Path, native: dict[str, bytes], kind: int):
    info = zipfile.ZipInfo("our-cat/concept_images/0.png")
    info.create_system, info.external_attr = 3, (kind | 0o644) << 16
    del native["concept_images/0.png"]
    path = pack(tmp_path / "a.zip", native)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "a link or no plain file" in refused(library, path)


def edit(path: Path, name: str, offset: int, layout: str, value: int) -> None:
    """Change a field of a file's entry in the archive's central directory (APPNOTE.TXT 4.3.12)."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"our-cat/" + name.encode()) - 46
    assert data[entry : entry + 4] == b"PK\1\2"
    struct.pack_into(layout, data, entry + offset, value)
    path.write_bytes(data)


def test_a_password_or_an_unusual_method_is_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes]
):
    path = pack(tmp_path / "a.zip", native)
    edit(path, "concept.json", 8, "<H", 1)
    assert "password" in refused(library, path)
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        assert "unusual way" in refused(library, pack(tmp_path / "a.zip", native, compression=method))


def test_two_files_of_one_name_are_refused(library: Library, tmp_path: Path, native: dict[str, bytes]):
    path = pack(tmp_path / "a.zip", native)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("our-cat/concept.json", b"{}")
    assert "two files of one name" in refused(library, path)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("concept.json", 2**20 + 1),
        ("learned_embeds.safetensors", 2**21 + 1),
        ("concept_images/0.png", 2**24 + 1),
    ],
)
def test_a_file_that_is_too_large_is_refused_before_it_is_unpacked(
    library: Library, tmp_path: Path, native: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name, size
):
    path = pack(tmp_path / "a.zip", {**native, name: bytes(size)})
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    assert f"{name} in a.zip is larger than" in refused(library, path)


def test_an_archive_that_is_too_large_as_a_whole_is_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    pictures = {f"concept_images/{number}.png": bytes(1000) for number in range(20)}
    path = pack(tmp_path / "a.zip", {**native, **pictures})
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 20_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    assert "use fewer pictures" in refused(library, path)


def test_an_archive_of_many_files_is_refused(library: Library, tmp_path: Path, native: dict[str, bytes]):
    pictures = {f"concept_images/{number}.png": b"" for number in range(archive.MAX_ARCHIVE_FILES)}
    assert "a concept has at most" in refused(library, pack(tmp_path / "a.zip", {**native, **pictures}))


@pytest.mark.parametrize("comment", [b"", b"a comment"])
def test_a_long_list_of_files_is_refused_before_it_is_read(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comment: bytes
):
    path = pack(tmp_path / "a.zip", {f"{number}": b"" for number in range(3000)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("read"))
    assert "too many files" in refused(library, path)


def test_a_list_of_files_that_hides_its_length_is_refused_before_it_is_read(
    library: Library, tmp_path: Path, native: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    """zipfile would trust a zip64 record before the end record instead of the end record itself."""
    path = pack(tmp_path / "a.zip", native)
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    path.write_bytes(data[:end] + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + data[end:])
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("read"))
    assert "not a .zip archive" in refused(library, path)


@pytest.mark.parametrize("size", [0, 10, 99_999])
def test_a_size_that_is_too_small_is_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes], size: int
):
    """Never unpack more bytes than the archive declares."""
    path = pack(tmp_path / "a.zip", {**native, "README.md": bytes(100_000)})
    edit(path, "README.md", 24, "<L", size)
    assert "is damaged" in refused(library, path)


@pytest.mark.parametrize("data", [b"", b"PK\5\6", b"hello" * 100, b"PK\5\6" + bytes(17), b"\x89PNG" * 10_000])
def test_what_is_no_archive_is_refused(library: Library, tmp_path: Path, data: bytes):
    (tmp_path / "a.zip").write_bytes(data)
    assert "not a .zip archive" in refused(library, tmp_path / "a.zip")


def test_a_missing_archive_is_a_concept_error(library: Library, tmp_path: Path):
    with pytest.raises(ConceptError, match="cannot be unpacked"):
        library.import_archive(tmp_path / "missing.zip")
    with pytest.raises(ConceptError, match="cannot be unpacked"):
        library.import_archive(tmp_path)


def test_an_archive_that_was_cut_or_changed_anywhere_is_refused_or_sound(
    library: Library, tmp_path: Path, native: dict[str, bytes]
):
    whole = pack(tmp_path / "a.zip", native).read_bytes()
    for number in range(100):
        place = number * len(whole) // 100
        changed = bytearray(whole)
        changed[place] ^= 1 + number % 255
        for data in (bytes(changed), whole[:place]):
            (tmp_path / "a.zip").write_bytes(data)
            try:
                entry = library.import_archive(tmp_path / "a.zip")
            except ConceptError:
                assert_holds_only(library)
            else:  # the byte did not matter, such as one of a date
                assert entry.concept.sha256 == make_concept().sha256
                library.delete("<our-cat>")


@pytest.mark.parametrize(
    "change",
    [
        {"token": "<../../evil>"},
        {"token": 5},
        {"token": "<other>"},
        {"kind": "thing"},
        {"kind": ["object"]},
        {"version": 99},
        {"training": "fast"},
        {"training": {"note": "\ud800"}},
        {"initializer": 7},
        {"initializer": "\ud800"},
        {"base": {"id": ["sd15"], "family": "sd1", "widths": {"clip_l": 32}}},
        {"base": {"id": "\ud800", "family": "sd1", "widths": {"clip_l": 32}}},
        {"base": {"id": "\x1b[2J\n", "family": "sd1", "widths": {"clip_l": 32}}},
        {"base": {"id": "sd15", "family": "sd1", "widths": {"clip_l": 32}, "fingerprint": {}}},
        {"base": {"id": "sd15", "family": "sd1", "widths": {"clip_l": 99}}},
        {"base": {"id": "sd15", "family": "sd1", "widths": 5}},
        {"base": None},
    ],
    ids=str,
)
def test_facts_that_make_no_concept_are_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes], change: dict
):
    facts = json.dumps({**json.loads(native["concept.json"]), **change}).encode()
    refused(library, pack(tmp_path / "a.zip", {**native, "concept.json": facts}))


def test_two_words_of_one_token_in_an_archive_are_refused_together(library: Library, tmp_path: Path):
    names = ("cat.safetensors", "Cat!.safetensors")
    for number, name in enumerate(names):
        save_file({"emb_params": torch.full((1, 768), number + 1.0)}, tmp_path / name)
    path = pack(tmp_path / "a.zip", {name: (tmp_path / name).read_bytes() for name in names}, prefix="")
    with pytest.raises(ConceptError, match="holds <cat> more than once"):
        library.import_file(path)
    assert library.entries()[0] == []


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>", "no readable PNG"),
        (b"", "no readable PNG"),
        (b"GIF89a" + bytes(100), "no readable PNG"),
        (png_header(2**31 - 1, 2**31 - 1), "no readable PNG"),
        (png_header(10_100, 10_000), "too large"),
    ],
    ids=["html", "empty", "gif", "bomb", "large"],
)
@pytest.mark.parametrize("folder", ["concept_images", "gallery"])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_that_a_browser_should_not_get_is_refused(
    library: Library, tmp_path: Path, native: dict[str, bytes], folder: str, data: bytes, reason: str
):
    message = refused(library, pack(tmp_path / "a.zip", {**native, f"{folder}/1.png": data}))
    assert reason in message and "1.png" in message


# --- files of other programs ------------------------------------------------------------------------------

WIDE = BaseModel("sd15", "sd1", {"clip_l": 768}, "0123456789ab")
WIDE_XL = BaseModel("sdxl", "sdxl", {"clip_l": 768, "clip_g": 1280}, "ba9876543210")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True], ids=["bare", "zipped"])
def test_a_word_goes_out_in_every_layout_and_comes_back(
    library: Library, tmp_path: Path, layout: Layout, packed: bool
):
    for base in (WIDE, WIDE_XL):
        concept = make_concept(base=base)
        if layout not in layouts_for(concept):
            continue
        library.add(concept, make_pictures())
        written = library.export_file("<our-cat>", layout, tmp_path / "out" / base.id)
        library.delete("<our-cat>")
        source = written[0]
        if packed:
            source = tmp_path / f"{base.id}.zip"
            with zipfile.ZipFile(source, "w") as archive:
                for file in written:
                    archive.write(file, f"words/{file.relative_to(tmp_path / 'out' / base.id).as_posix()}")
        elif layout == "native":
            continue
        [imported] = library.import_file(source)
        assert imported.entry.concept.sha256 == concept.sha256
        assert imported.entry.concept.base.id == base.id and imported.remarks == ()
        # In an archive, the card beside the file names the model.
        assert imported.guessed == (layout == "diffusers-bin" and not packed)
        assert (imported.entry.thumbnail is not None) == (layout == "native")
        library.delete("<our-cat>")
        assert_holds_only(library)


def test_an_exported_card_shows_the_first_training_picture(library: Library, tmp_path: Path):
    library.add(make_concept(base=WIDE), [Image.new("RGB", (8, 8), (1, 200, 3))])
    [file] = library.export_file("<our-cat>", "a1111-png", tmp_path)
    with Image.open(file) as card:
        assert card.getpixel((card.width // 2, card.height // 2)) == (1, 200, 3)


def test_what_a_file_leaves_open_is_told(library: Library, tmp_path: Path):
    save_file({"emb_params": torch.full((1, 768), 9.0)}, tmp_path / "neko.safetensors")
    [imported] = library.import_file(tmp_path / "neko.safetensors")
    assert imported.entry.concept.token == "<neko>" and imported.source == "emb_params"
    assert imported.guessed and imported.entry.concept.base.id == "sd15"
    assert "unlike those of other words" in str(imported.remarks[0])
    library.delete("<neko>")
    [imported] = library.import_file(
        tmp_path / "neko.safetensors", BaseModel("waifu", "sd1", {"clip_l": 768})
    )
    assert not imported.guessed and imported.entry.concept.base.id == "waifu"


def test_several_words_come_in_together_or_not_at_all(library: Library, tmp_path: Path):
    file = tmp_path / "two.safetensors"
    save_file(
        {"bundle_emb.cat.clip_l": torch.ones(1, 768), "bundle_emb.dog.clip_l": torch.ones(2, 768)}, file
    )
    assert [each.entry.concept.token for each in library.import_file(file)] == ["<cat>", "<dog>"]
    library.delete("<cat>")
    with pytest.raises(ConceptError, match="There is a concept <dog> in the library already"):
        library.import_file(file)
    assert tokens(library) == ["<dog>"]


def test_a_hostile_or_other_file_adds_nothing(library: Library, tmp_path: Path):
    def message_of(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConceptError) as caught:
            library.import_file(tmp_path / name)
        return str(caught.value)

    def zipped(**members: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return stream.getvalue()

    assert "is not a .zip archive" in message_of("a.zip", b"no archive")
    assert "It is no embedding file" in message_of("a.pt", b"no archive")
    assert "archive holds no embedding file" in message_of("....zip", zipped(**{"notes.txt": b""}))
    assert "words holds no embedding file" in message_of("words.zip", zipped(**{"notes.txt": b""}))
    assert "unpacked somewhere else" in message_of("b.zip", zipped(**{"../evil.pt": b""}))
    assert "larger than 2 MiB" in message_of("c.zip", zipped(**{"big.pt": bytes(2**22)}))
    assert "two files of one name" in message_of("d.zip", zipped(**{"a/x.pt": b"", "b/x.pt": b""}))
    assert "It is empty" in message_of("e.zip", zipped(**{"a/x.pt": b""}))
    assert "has 300 files" in message_of("f.zip", zipped(**{f"{n}.pt": b"" for n in range(300)}))
    assert "cannot be read" in refused_missing(library, tmp_path / "gone.pt")
    assert tokens(library) == []


def refused_missing(library: Library, path: Path) -> str:
    with pytest.raises(ConceptError) as caught:
        library.import_file(path)
    return str(caught.value)
