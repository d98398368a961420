"""What the page is served as."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui.page import HERE, FirstScript

PAGE = "<html><head><title>学</title><script>second()</script></head><body></head></body></html>"


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


def test_the_page_has_its_script_in_its_head_and_nothing_else_has() -> None:
    app = Starlette(routes=[Route("/", page), Route("/other", page)])
    client = TestClient(FirstScript(app))
    served = client.get("/?lang=ja")
    script = f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>"
    assert served.text == PAGE.replace("</head>", f"{script}</head>", 1)
    assert int(served.headers["content-length"]) == len(served.content)
    assert client.get("/other").text == PAGE
    assert client.head("/").status_code == 200
