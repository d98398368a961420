"""The drawer with a person's words."""

from __future__ import annotations

import dataclasses
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.frames import empty_frame
from helpers.requests import request_of
from PIL import Image

from ti_core.errors import ConceptError, TokenNameError
from ti_core.model.backbone import Backbone
from ti_core.model.base import BaseModel
from ti_core.words.concept import Concept
from ti_core.words.formats import layouts_for
from ti_core.words.library import Library
from ui.drawer import library
from ui.drawer import word as drawer_word
from ui.frame import Frame
from ui.parts.events import Updates
from ui.server.downloads import export_word
from ui.server.studio import Studio
from ui.texts import explain

TRAINING: Mapping[str, Any] = {
    "steps": 300,
    "best_step": 220,
    "evaluation_loss": 0.0987,
    "first_evaluation_loss": 0.1234,
    "batch_size": 4,
    "pictures": 5,
    "seed": 7,
    "stopped": "levelled",
}


@pytest.fixture
def backbone(backbones: dict[str, Backbone]) -> Backbone:
    return backbones["sd1"]


@pytest.fixture
def studio(tmp_path: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """Make a studio with a model in use."""
    studio = Studio(tmp_path)
    monkeypatch.setattr(studio.models, "_backbone", backbone)
    yield studio
    studio.trainer.close()


@pytest.fixture
def words(studio: Studio) -> Library:
    return studio.home(request_of()).library


@dataclasses.dataclass(frozen=True)
class Drawer:
    """The drawer's components."""

    frame: Frame
    bar: library.UndoBar
    words: library.WordList
    panel: drawer_word.WordPanel


@pytest.fixture(scope="module")
def drawer() -> Drawer:
    frame = empty_frame()
    with frame.demo:
        return Drawer(frame, library.place_undo(), library.place_list(), drawer_word.place_word())


def concept_of(backbone: Backbone, token: str, kind: Any = "object", initializer: str = "cat") -> Concept:
    vectors = backbone.vocabulary.initial_vectors(initializer, 1)
    return Concept(token, vectors, kind, backbone.base, initializer, dict(TRAINING))


def foreign(concept: Concept) -> Concept:
    """Return the word as if it belonged to another model."""
    base = BaseModel("sd-other", "sd1", {"clip_l": 16})
    vectors = {"clip_l": concept.vectors["clip_l"][:, :16]}
    return dataclasses.replace(concept, vectors=vectors, base=base)


def listed(studio: Studio, drawer: Drawer, query: str = "", chosen: str = "", language: str = "en") -> str:
    updates = library.list_words(studio, request_of(language=language), drawer.words, query, chosen)
    return updates[drawer.words.cards]


def tokens_in(content: str) -> list[str]:
    return re.findall(r'data-word="&lt;([a-z0-9-]+)&gt;"', content)


def shown(studio: Studio, drawer: Drawer, token: str) -> dict[str, Any]:
    """Return the updates of a word's panel by component name."""
    panel = drawer.panel
    updates = drawer_word.show_word(studio, request_of(), panel, token)
    assert set(updates) <= set(panel.outputs)
    names = ("chosen", "column", "head", "insert", "facts", "name", "layout")
    return {name: updates[getattr(panel, name)] for name in names if getattr(panel, name) in updates}


# --- the list ---------------------------------------------------------------------------------------------


def test_who_has_no_words_is_led_to_the_first(studio: Studio, drawer: Drawer) -> None:
    updates = library.list_words(studio, request_of(), drawer.words, "", "")
    content, teach = updates[drawer.words.cards], updates[drawer.words.teach]
    assert "You have no words yet" in content
    assert teach.visible


def test_words_are_listed_newest_first_with_what_they_are(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-cat>"), [Image.new("RGB", (300, 200), "red")])
    words.add(concept_of(backbone, "<our-ink>", "style"))
    updates = library.list_words(studio, request_of(), drawer.words, "", "<our-ink>")
    content, teach = updates[drawer.words.cards], updates[drawer.words.teach]
    assert not teach.visible
    assert tokens_in(content) == ["our-ink", "our-cat"]
    assert "style · tiny-sd1" in content and "object · tiny-sd1" in content
    assert re.findall(r'aria-pressed="(\w+)"', content) == ["true", "false"]
    assert 'alt="First picture of &lt;our-cat&gt;"' in content
    assert "もの · tiny-sd1" in listed(studio, drawer, language="ja")


def test_thumbnails_are_in_the_page_itself_and_small(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-cat>"), [Image.effect_noise((512, 512), 90).convert("RGB")])
    [source] = re.findall(r'<img src="([^"]*)"', listed(studio, drawer))
    assert source.startswith("data:image/webp;base64,")
    assert len(source) < 20_000  # of noise, which is the hardest to pack


def test_a_thumbnail_that_cannot_be_read_is_left_out(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    entry = words.add(concept_of(backbone, "<our-cat>"), [Image.new("RGB", (8, 8))])
    (entry.folder / "concept_images" / "0.png").write_bytes(b"damaged")
    content = listed(studio, drawer)
    assert tokens_in(content) == ["our-cat"] and "<img" not in content


def test_a_changed_picture_has_a_new_thumbnail(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    pictures = [[Image.new("RGB", (8, 8), colour)] for colour in ("red", "blue")]
    words.add(concept_of(backbone, "<our-cat>"), pictures[0])
    before = listed(studio, drawer)
    words.add(concept_of(backbone, "<our-cat>"), pictures[1], replace=True)
    assert listed(studio, drawer) != before


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["our-ink", "our-cat"]),
        ("CAT", ["our-cat"]),
        ("<our-cat>", ["our-cat"]),
        ("style", ["our-ink"]),
        ("スタイル", ["our-ink"]),
        ("painting", ["our-ink"]),
        ("tiny", ["our-ink", "our-cat"]),
        ("tiny object", ["our-cat"]),
        ("nothing such", []),
    ],
)
def test_words_are_found_by_all_that_their_cards_say(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone, query: str, found: list[str]
) -> None:
    words.add(concept_of(backbone, "<our-cat>"))
    words.add(concept_of(backbone, "<our-ink>", "style", "painting"))
    content = listed(studio, drawer, query, language="ja")
    assert tokens_in(content) == found
    assert ("あてはまることばがありません。" in content) == (not found)


def test_a_word_of_another_model_is_greyed_and_says_why(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(foreign(concept_of(backbone, "<our-cat>")))
    content = listed(studio, drawer)
    assert 'class="word-card greyed"' in content
    assert "Belongs to sd-other; tiny-sd1 is loaded." in content
    view = shown(studio, drawer, "<our-cat>")
    assert "&lt;our-cat&gt; was learned on sd-other" in view["head"]
    assert not view["insert"].interactive
    assert "Shown when its base model is loaded." in view["facts"]


def test_while_no_model_is_loaded_no_word_is_greyed(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    words.add(foreign(concept_of(backbone, "<our-cat>")))
    monkeypatch.setattr(studio.models, "_backbone", None)
    assert 'class="word-card greyed"' not in listed(studio, drawer)
    assert shown(studio, drawer, "<our-cat>")["insert"].interactive


def test_a_damaged_folder_is_named_without_its_place(studio: Studio, drawer: Drawer, words: Library) -> None:
    folder = words.root / "our-cat"
    folder.mkdir(parents=True)
    (folder / "concept.json").write_text("{")
    updates = library.list_words(studio, request_of(), drawer.words, "", "")
    content, teach = updates[drawer.words.cards], updates[drawer.words.teach]
    assert "This word cannot be read" in content and "our-cat" in content
    assert str(words.root) not in content
    assert not teach.visible


def test_each_person_sees_their_own_words(tmp_path: Path, drawer: Drawer, backbone: Backbone) -> None:
    studio = Studio(tmp_path, shared=True)
    studio.home(request_of("one")).library.add(concept_of(backbone, "<our-cat>"))
    requests = [request_of(name) for name in ("one", "other")]
    lists = [
        library.list_words(studio, request, drawer.words, "", "")[drawer.words.cards] for request in requests
    ]
    assert [tokens_in(content) for content in lists] == [["our-cat"], []]
    assert shown(studio, drawer, "<our-cat>")["chosen"] == ""


# --- one word ---------------------------------------------------------------------------------------------


def test_a_word_tells_what_it_is_near_to_and_how_it_was_trained(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-cat>"), [Image.new("RGB", (8, 8))] * 6)
    view = shown(studio, drawer, "<our-cat>")
    assert view["chosen"] == "<our-cat>" and view["name"] == "our-cat"
    assert view["column"].visible and view["insert"].interactive
    assert view["head"].count("<img") == drawer_word.PICTURES_SHOWN
    facts = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", view["facts"]))
    assert facts["Kind"] == "object" and facts["Base model"] == "tiny-sd1"
    assert facts["Initial word"] == "cat" and facts["Vectors"] == "1"
    assert facts["Nearest words"].startswith("cat 1.00, ")
    assert re.fullmatch(r"0\.\d\d \(other words: 0\.\d\d to 0\.\d\d\)", facts["Length"])
    assert facts["Training"] == "steps: 300 · pictures: 5 · batch size: 4 · seed: 7"
    assert facts["Evaluation loss"] == "0.1234 → 0.0987 at step 220"
    assert facts["Ended"] == "because the loss had levelled"


def test_the_device_is_not_waited_for(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-cat>"))
    with studio.device.enter():
        assert "Nearest words" in shown(studio, drawer, "<our-cat>")["facts"]


def test_nothing_that_another_person_wrote_becomes_html(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    attack = "<img src=x onerror=alert(1)>"
    training = {
        "steps": attack,
        "stopped": attack,
        "first_evaluation_loss": [attack],
        "blended_from": [{}, 3],
    }
    base = dataclasses.replace(backbone.base, id=attack)
    concept = concept_of(backbone, "<our-cat>")
    words.add(dataclasses.replace(concept, initializer=attack, training=training, base=base))
    view = shown(studio, drawer, "<our-cat>")
    assert attack not in listed(studio, drawer) + view["head"] + view["facts"]
    assert "&lt;img src=x" in view["facts"]


def test_a_blend_tells_what_it_was_made_of() -> None:
    parts = [{"token": "<our-cat>", "share": 0.4}, {"token": "<our-dog>", "share": 0.6}]
    assert (
        drawer_word.training_facts("en", {"blended_from": parts})["library_made_of"] == "<our-cat>, <our-dog>"
    )


def test_a_word_that_is_gone_is_not_shown(studio: Studio, drawer: Drawer) -> None:
    view = shown(studio, drawer, "<gone>")
    assert view["chosen"] == "" and not view["column"].visible


# --- what is done with it ---------------------------------------------------------------------------------


def rename(studio: Studio, drawer: Drawer, token: str, name: str, changes: int) -> Updates:
    parts = drawer.panel, drawer.frame
    return drawer_word.rename_word(studio, request_of(), *parts, token, name, changes)


def bring_in(studio: Studio, drawer: Drawer, file: Path, changes: int = 0, language: str = "en") -> Updates:
    request = request_of(language=language)
    return library.import_word(studio, request, drawer.panel, drawer.frame, str(file), changes)


def chosen_and_changes(drawer: Drawer, updates: Updates) -> tuple[str, int]:
    """Return the token of the word shown now, and how often the words have changed."""
    return updates[drawer.panel.chosen], updates[drawer.frame.words_changed]


@pytest.mark.parametrize(
    ("tab", "prompts", "expected"),
    [
        ("generate", ("a photo of", "", ""), "a photo of <our-cat>"),
        ("generate", ("", "", ""), "a photo of <our-cat>"),
        ("compose", ("", "<a> and ", ""), "<a> and <our-cat>"),
        ("style", ("", "", "a house"), "a house <our-cat>"),
        ("style", ("", "", ""), "<our-cat>"),
    ],
)
def test_a_word_goes_into_the_prompt_of_the_open_tab(
    studio: Studio,
    drawer: Drawer,
    words: Library,
    backbone: Backbone,
    tab: Any,
    prompts: tuple[str, ...],
    expected: str,
) -> None:
    words.add(concept_of(backbone, "<our-cat>"))
    frame = drawer.frame
    updates = drawer_word.insert_word(studio, request_of(), frame, "<our-cat>", tab, *prompts)
    assert updates == {frame.prompts[tab]: expected}


def test_from_where_words_are_learned_it_goes_to_where_they_are_drawn(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-ink>", "style"))
    frame = drawer.frame
    updates = drawer_word.insert_word(studio, request_of(), frame, "<our-ink>", "train", "", "", "")
    assert updates.pop(frame.tabs).selected == "generate"
    assert updates == {frame.generate_prompt: "a house in the style of <our-ink>"}


def test_a_word_is_renamed(studio: Studio, drawer: Drawer, words: Library, backbone: Backbone) -> None:
    words.add(concept_of(backbone, "<our-cat>"))
    updates = rename(studio, drawer, "<our-cat>", "Our Tiger", 4)
    assert chosen_and_changes(drawer, updates) == ("<our-tiger>", 5)
    assert tokens_in(listed(studio, drawer)) == ["our-tiger"]
    with pytest.raises(TokenNameError):
        rename(studio, drawer, "<our-tiger>", "猫", 5)


def test_a_word_is_deleted_and_brought_back(
    studio: Studio, drawer: Drawer, words: Library, backbone: Backbone
) -> None:
    words.add(concept_of(backbone, "<our-cat>"))
    bar, parts = drawer.bar, (drawer.bar, drawer.panel, drawer.frame)
    updates = library.delete_word(studio, request_of(), *parts, "<our-cat>", 0)
    assert chosen_and_changes(drawer, updates) == ("", 1)
    assert (updates[bar.deleted], updates[bar.row].visible) == ("<our-cat>", True)
    assert "&lt;our-cat&gt; was deleted." in updates[bar.text]
    assert tokens_in(listed(studio, drawer)) == []
    updates = library.restore_word(studio, request_of(), *parts, "<our-cat>", 1)
    assert chosen_and_changes(drawer, updates) == ("<our-cat>", 2)
    assert (updates[bar.deleted], updates[bar.row].visible, updates[bar.text]) == ("", False, "")
    assert tokens_in(listed(studio, drawer)) == ["our-cat"]


def test_a_word_is_taken_along(studio: Studio, drawer: Drawer, words: Library, backbone: Backbone) -> None:
    words.add(concept_of(backbone, "<our-cat>"), [Image.new("RGB", (8, 8), "red")])
    archive = Path(export_word(words, "<our-cat>"))
    assert archive.name == "our-cat.zip"
    assert "our-cat/concept_images/0.png" in zipfile.ZipFile(archive).namelist()
    with pytest.raises(ConceptError, match="already"):
        bring_in(studio, drawer, archive)
    words.delete("<our-cat>")
    updates = bring_in(studio, drawer, archive, 0)
    assert chosen_and_changes(drawer, updates) == ("<our-cat>", 1)
    assert tokens_in(listed(studio, drawer)) == ["our-cat"]


def test_what_is_no_archive_of_a_word_is_refused(studio: Studio, drawer: Drawer, tmp_path: Path) -> None:
    file = tmp_path / "holiday.zip"
    file.write_bytes(b"no archive")
    with pytest.raises(ConceptError, match=r"holiday\.zip is not a \.zip archive"):
        bring_in(studio, drawer, file)


def wide(token: str = "<our-cat>", width: int = 768) -> Concept:
    base = BaseModel("sd15", "sd1", {"clip_l": width})
    return Concept(token, {"clip_l": torch.ones(2, width) / 50}, "object", base, "cat", dict(TRAINING))


def test_a_word_is_offered_in_the_layouts_that_can_hold_it(
    studio: Studio, drawer: Drawer, words: Library
) -> None:
    words.add(wide())
    dropdown = shown(studio, drawer, "<our-cat>")["layout"]
    assert dropdown.value == "native"
    assert [layout for _, layout in dropdown.choices] == list(layouts_for(wide()))
    assert "A1111, as a picture (.png)" in dict(dropdown.choices)
    for language in ("en", "ja"):
        names = [name for name, _ in drawer_word.layout_choices(language, wide())]
        assert len(set(names)) == len(names) and not any("library_" in name for name in names)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("diffusers", "learned_embeds.safetensors"),
        ("diffusers-bin", "our-cat-diffusers-bin.zip"),
        ("a1111-pt", "our-cat.pt"),
        ("a1111-safetensors", "our-cat.safetensors"),
        ("a1111-png", "our-cat.png"),
        ("kohya", "our-cat.safetensors"),
    ],
)
def test_a_word_goes_to_another_program_and_comes_back(
    studio: Studio, drawer: Drawer, words: Library, layout: Any, name: str
) -> None:
    words.add(wide(), [Image.new("RGB", (8, 8), "red")])
    file = Path(export_word(words, "<our-cat>", layout))
    assert file.name == name
    words.delete("<our-cat>")
    updates = bring_in(studio, drawer, file, 3)
    assert chosen_and_changes(drawer, updates) == ("<our-cat>", 4)
    assert words.find("<our-cat>").concept.sha256 == wide().sha256


def test_what_was_read_is_said_and_what_was_guessed(
    studio: Studio, drawer: Drawer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(library.gr, "Info", lambda text, title: said.append(text))

    def imported(language: str, **values: Any) -> str:
        torch.save({"string_to_param": {"*": torch.ones(1, 768)}, **values}, tmp_path / "neko.pt")
        bring_in(studio, drawer, tmp_path / "neko.pt", language=language)
        studio.home(request_of()).library.delete("<neko>")
        return said[-1]

    named = imported("en", name="neko", sd_checkpoint_name="<b>wd</b>")
    assert named == "&lt;neko&gt; was read (format: A1111 .pt), for &lt;b&gt;wd&lt;/b&gt;."
    assert "sd15 is guessed by the width of the vectors." in imported("en", name="neko")
    assert "ベクトルの次元数から sd15 と推定しました。" in imported("ja", name="neko")
    torch.save({"<neko>": torch.ones(1, 768) * 99}, tmp_path / "neko.bin")
    bring_in(studio, drawer, tmp_path / "neko.bin", language="ja")
    assert "ほかのことばと大きく違います" in said[-1]


def test_a_file_that_is_no_word_is_refused_in_the_readers_language(
    studio: Studio, drawer: Drawer, tmp_path: Path
) -> None:
    file = tmp_path / "cat.bin"
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConceptError) as caught:
        bring_in(studio, drawer, file)
    assert "Git LFS のポインター" in explain("ja", caught.value)
