"""The architecture's rules: which modules may import which, and how large the repository may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "ti_core"
ABOVE_THE_CORE = {"app", "ui", "gradio", "demo_model", "benchmarks"}
MODEL_LIBRARIES = {"diffusers", "transformers"}
HEAVY_LIBRARIES = {*MODEL_LIBRARIES, "gradio", "huggingface_hub", "numpy", "torch"}
# A module of the core may import from its own layer and from earlier ones. The longest matching name decides
# a module's layer: "words.arithmetic" is apart from the rest of "words".
LAYERS = (
    {"errors", "files", "interrupts", "languages", "messages", "resources"},
    {"pictures", "prompts", "drawing.recipe"},
    {"config", "model.base", "model.families", "model.presets", "model.schedulers", "model.sources"},
    {"words"},
    {"model"},
    {"words.arithmetic", "words.inspection", "drawing", "judging.judge"},
    {"training"},
    {"judging"},
    {"hub"},
    {"cli", "__main__"},
)
# A package or module of the page may import from those before it. So the server knows no components, and
# code that two tabs share belongs in parts.
PAGE_LAYERS = (
    {"texts"},
    {"server"},
    {"frame"},
    {"parts"},
    {"tabs.train", "tabs.generate", "tabs.compose", "tabs.style", "drawer", "header"},
    {"api"},
    {"page"},
    {"launch"},
    {"command"},
)
MEGABYTE = 1_000_000
LARGEST_FILE = 48 * MEGABYTE
LARGEST_ASSETS = 80 * MEGABYTE


def imports_of(path: Path, root: Path = ROOT) -> set[str]:
    """Return the dotted names that a file imports anywhere; ``from a import b`` counts as a and as a.b."""
    package = path.relative_to(root).parent.parts
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            names.add(source)
            names.update(f"{source}.{alias.name}" for alias in node.names)
    return names


def core_modules() -> dict[str, Path]:
    """Return every file of the core by module name, such as ``errors``, ``cli`` and ``cli.train``."""
    names = {path: ".".join(path.relative_to(CORE).with_suffix("").parts) for path in CORE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def core_imports(path: Path) -> set[str]:
    """Return the core's modules that a file imports."""
    names = {name.removeprefix("ti_core.") for name in imports_of(path) if name.startswith("ti_core.")}
    return names & set(core_modules())


def sources(*, outside: set[str]) -> list[Path]:
    """Return the project's Python files, except in hidden folders, virtual environments and ``outside``."""
    files: list[Path] = []
    for entry in ROOT.iterdir():
        if entry.name.startswith(".") or entry.name in outside or (entry / "pyvenv.cfg").exists():
            continue
        files += entry.rglob("*.py") if entry.is_dir() else [entry] if entry.suffix == ".py" else []
    return files


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)}


def offenders(files: list[Path], forbidden: set[str]) -> list[str]:
    assert files, "There is nothing to check: the folders were renamed, so mend this test."
    return [
        f"{path.relative_to(ROOT)} imports {', '.join(sorted(tops(path) & forbidden))}"
        for path in sorted(files)
        if tops(path) & forbidden
    ]


def test_imports_are_seen_in_every_form(tmp_path: Path) -> None:
    file = tmp_path / "package" / "part" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import a.b as c\nfrom d import e\nfrom . import f\nfrom ..g import h\n"
        "def lazy():\n    if True:\n        from i import j\n",
        encoding="utf-8",
    )
    assert imports_of(file, tmp_path) == {
        *("a.b", "d", "d.e", "i", "i.j"),
        *("package.part", "package.part.f", "package.g", "package.g.h"),
    }


def test_the_core_imports_nothing_above_it() -> None:
    assert offenders(list(CORE.rglob("*.py")), ABOVE_THE_CORE) == []


def test_the_page_imports_nothing_above_it() -> None:
    assert offenders(list((ROOT / "ui").rglob("*.py")), {"app", "benchmarks"}) == []


def test_the_launcher_only_starts_the_page() -> None:
    assert tops(ROOT / "app.py") - sys.stdlib_module_names == {"ui"}


def test_the_backbone_is_the_only_door_to_the_model_libraries() -> None:
    """The modules that load models and make samplers serve the backbone alone."""
    files = sources(outside={"demo_model", "benchmarks", "tests"})
    behind_the_door = {CORE / "model" / "loading.py", CORE / "model" / "samplers.py"}
    judge = CORE / "judging" / "judge.py"  # its own model, which only looks at pictures
    assert offenders([path for path in files if path not in {*behind_the_door, judge}], MODEL_LIBRARIES) == []
    for module in ("ti_core.model.loading", "ti_core.model.samplers"):
        users = {path for path in files if module in imports_of(path)}
        assert users == {CORE / "model" / "backbone.py"}


def test_the_page_is_built_without_the_model_libraries() -> None:
    """They take seconds to import, and are needed only when a model is loaded."""
    program = f"import sys, ui.page; assert not {MODEL_LIBRARIES} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_help_and_wrong_options_wait_for_no_heavy_library() -> None:
    program = f"import sys, app, ti_core.cli, ui.command; print(*{HEAVY_LIBRARIES} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.split() == []


def test_the_program_does_not_import_how_its_model_was_made() -> None:
    files = sources(outside={"demo_model", "benchmarks", "tests"})
    assert offenders(files, {"demo_model"}) == []


def layer_of(module: str) -> int | None:
    """Return a module's layer number, by the longest name in LAYERS of it or a package that contains it."""
    layers = {name: number for number, names in enumerate(LAYERS) for name in names}
    parts = module.split(".")
    places = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((layers[place] for place in places if place in layers), None)


def test_every_core_module_stands_in_a_layer() -> None:
    homeless = {name for name in core_modules() if layer_of(name) is None} - {"__init__"}
    assert homeless == set(), "Put each new module of the core into its layer in LAYERS, in this file."


def test_core_imports_point_one_way() -> None:
    upward = [
        f"{module} imports {imported}"
        for module, path in core_modules().items()
        for imported in core_imports(path)
        if (layer_of(imported) or 0) > (len(LAYERS) if module == "__init__" else layer_of(module) or 0)
    ]
    assert upward == []


def test_core_imports_run_in_no_circle() -> None:
    graph = {module: core_imports(path) for module, path in core_modules().items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def page_place(module: str) -> tuple[int, str] | None:
    """Return a module's layer number in PAGE_LAYERS, and the package there that contains it."""
    return next(
        (
            (number, room)
            for number, rooms in enumerate(PAGE_LAYERS)
            for room in rooms
            if module == f"ui.{room}" or module.startswith(f"ui.{room}.")
        ),
        None,
    )


def test_the_rooms_of_the_page_import_one_way() -> None:
    homeless, wrong = [], []
    for path in (ROOT / "ui").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        place = page_place(module.removesuffix(".__init__"))
        if place is None:
            homeless += [module] if path.name != "__init__.py" else []
            continue
        for imported in map(page_place, imports_of(path)):
            if imported is not None and imported != place and imported[0] >= place[0]:
                wrong.append(f"{module} imports ui.{imported[1]}")
    assert homeless == [], "Put each new module of the page into its layer in PAGE_LAYERS, in this file."
    assert wrong == []


def repository_files() -> Iterator[Path]:
    """Return the files under version control; without git, all but hidden folders and environments."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
        ).stdout.decode()
        files = [ROOT / name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = [
            path
            for entry in ROOT.iterdir()
            if not entry.name.startswith(".") and not (entry / "pyvenv.cfg").exists()
            for path in (entry.rglob("*") if entry.is_dir() else [entry])
        ]
    return (path for path in files if path.is_file())


def test_the_repository_stays_light() -> None:
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in repository_files()}
    assert sizes, "Nothing was listed: git ls-files and the walk over the folder both came back empty."
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}
    assets = sum(size for name, size in sizes.items() if name.startswith("assets/"))
    assert assets < LARGEST_ASSETS, f"assets/ holds {assets / MEGABYTE:.0f} MB: keep it below 80."
