"""The lab on one's own Python: a server for one's own browser, and for nobody else.

What it is asked for may hold code, which runs as whoever started it. So it listens on 127.0.0.1 alone; it answers a
message only to who knows its random token, which stands in the address that it prints; and a page from elsewhere, open
in the same browser, is refused by Host (another name that leads here: DNS rebinding) and by Origin (a request sent
across), as the server of Jupyter does it.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from .deadline import within
from .messages import MESSAGE
from .page import START, TYPES, filled, policy
from .session import Session
from .wordings import BAD_HOST, BAD_KIND, BAD_ORIGIN, BAD_TOKEN, TOO_LONG, Both, Lang

HERE = "127.0.0.1"
NAMES = (HERE, "localhost")
PORT = 8765  # where it begins to look for a free one
SESSIONS = 8  # of pages that are open; the one that was silent longest is forgotten
SECONDS = 120.0  # that an answer may take
HEADERS = {
    "content-security-policy": f"{policy()}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Refusal(NamedTuple):
    """Why a request is refused: its HTTP status, and a sentence."""

    status: int
    text: Both
    values: Mapping[str, Any] = {}

    def response(self) -> Response:
        message = " · ".join(self.text.said(lang, **self.values) for lang in ("en", "zh"))
        error = {"message": message, "line": None, "field": None}
        return Response(
            json.dumps({"id": None, "error": error}, ensure_ascii=False), self.status, HEADERS, TYPES[".json"]
        )


def name_of(host: str) -> str | None:
    """The name in a Host header; None for what is none."""
    try:
        return urlsplit(f"//{host}").hostname if host and not set(host) & set("/@?#\\ ") else None
    except ValueError:
        return None


def refused(request: Request) -> Refusal | None:
    """Why a request does not come from a page of this server: another Host, or another Origin."""
    host, origin = request.headers.getlist("host"), request.headers.getlist("origin")
    if len(host) != 1 or name_of(host[0]) not in NAMES:
        return Refusal(421, BAD_HOST, {"host": ", ".join(host)[:80] or "–"})
    asks = request.method not in ("GET", "HEAD")
    if (asks or origin) and origin != [f"http://{host[0]}"]:
        return Refusal(403, BAD_ORIGIN, {"origin": ", ".join(origin)[:80] or "–"})
    site = request.headers.get("sec-fetch-site", "none")
    is_link = not asks and request.headers.get("sec-fetch-mode") == "navigate"  # which does no harm
    if site not in ("same-origin", "none") and not is_link:
        return Refusal(403, BAD_ORIGIN, {"origin": site})
    return None


class Guard:
    """What every request must pass before anything else is done."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := refused(Request(scope))):
            await refusal.response()(scope, receive, send)
        elif scope["type"] != "websocket":  # there is none
            await self.app(scope, receive, send)


class Lab:
    """The application: the page's files, and `POST /api`, which carries a message to a session.

    Args:
        token: what a message must bring along.
        pages: the page's files by their place.
        lang: the language in which the page begins.
    """

    def __init__(self, token: str, pages: Mapping[str, bytes], lang: Lang = "en", seconds: float = SECONDS) -> None:
        self.token, self.seconds = token, seconds
        self.one, self.ending = threading.Lock(), threading.Event()
        self.pages = {name: filled(name, data, "local", lang) for name, data in pages.items()}
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        routes = [Route("/api", self.api, methods=["POST"]), Route("/{path:path}", self.page, methods=["GET"])]
        self.app = Starlette(routes=routes, middleware=[Middleware(Guard)])

    def knows(self, token: str) -> bool:
        return secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    async def page(self, request: Request) -> Response:
        """A file of the page. They are no secret; but a wrong token is told at once."""
        token = request.query_params.get("token")
        if token is not None and not self.knows(token):
            return Refusal(401, BAD_TOKEN).response()
        name = request.path_params["path"] or START
        if name not in self.pages:
            return Response("not found", 404, HEADERS, TYPES[".txt"])
        suffix = name[name.rfind(".") :]
        return Response(self.pages[name], 200, HEADERS, TYPES.get(suffix, "application/octet-stream"))

    async def api(self, request: Request) -> Response:
        """The answer to a message."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.knows(token.strip()):
            return Refusal(401, BAD_TOKEN).response()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # what a form can send would need no leave of this server
            return Refusal(415, BAD_KIND, {"kind": kind[:80] or "–"}).response()
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > 4 * MESSAGE:  # bytes; the session counts characters
                return Refusal(413, TOO_LONG, {"field": "message", "most": MESSAGE, "n": len(body)}).response()
        session = self.session(request.headers.get("lab-session", "")[:64])
        answer = await run_in_threadpool(self.answer, session, body.decode("utf-8", "replace"))
        return Response(answer.encode("utf-8", "backslashreplace"), 200, HEADERS, TYPES[".json"])

    def answer(self, session: Session, text: str) -> str:
        """One message at a time: sessions share the machine, and Python's warnings."""
        with self.one:
            return within(self.seconds, partial(session.answer_text, text), self.ending)

    def session(self, name: str) -> Session:
        """The session of a page that is open."""
        session = self.sessions.setdefault(name, Session("local"))
        self.sessions.move_to_end(name)
        if len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)
        return session


def listening(port: int | None) -> socket.socket:
    """A socket on 127.0.0.1: at this port, or where None is given at 8765 or any other that is free.

    Raises OSError where a port that was asked for is taken.
    """
    for one in (PORT, 0) if port is None else (port,):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.bind((HERE, one))
            return sock
        except OSError as exc:
            sock.close()
            if port is not None:
                raise OSError(f"--port {port}: cannot be listened on ({exc.strerror})") from None
    raise AssertionError("port 0 is any free one")


class LabServer(Server):
    """A server that ends at once, whatever the lab is about."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        config = Config(
            lab.app, log_level="warning", access_log=False, server_header=False, ws="none", lifespan="off",
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.lab.ending.set()
        super().handle_exit(sig, frame)
