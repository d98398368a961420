"""How the page is served."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.route_utils import delete_files_created_by_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui.page import HERE, FirstScript, build_page
from ui.server.studio import Studio

PAGE = "<html><head><title>学</title><script>second()</script></head><body></head></body></html>"


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


def test_the_page_has_its_script_in_its_head_and_nothing_else_has() -> None:
    app = Starlette(routes=[Route("/", page), Route("/other", page)])
    client = TestClient(FirstScript(app))
    served = client.get("/?lang=ja")
    before, script, after = served.text.partition((HERE / "page.js").read_text(encoding="utf-8"))
    assert script and before + after == PAGE.replace(
        "</head>", '<script>const LANGUAGES = ["en", "ja"];\n</script></head>', 1
    )
    assert int(served.headers["content-length"]) == len(served.content)
    assert client.get("/other").text == PAGE
    assert client.head("/").status_code == 200


def test_the_examples_keep_their_pictures_when_old_copies_are_deleted(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    page = build_page(studio)
    studio.trainer.close()
    buttons = [block for block in page.blocks.values() if isinstance(block, gr.Button)]
    icons = [button.icon["path"] for button in buttons if button.icon]
    assert len(icons) >= 3
    delete_files_created_by_app(page, age=None)
    client = TestClient(gr.routes.App.create_app(page))
    assert [client.get(f"/gradio_api/file={icon}").status_code for icon in icons] == [200] * len(icons)
