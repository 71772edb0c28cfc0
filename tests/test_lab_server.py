"""The lab's server over real HTTP: who may ask it, what it refuses, and that a loop without end is ended."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from tinygrad_lstm.cli import main
from tinygrad_lstm.lab import page
from tinygrad_lstm.lab.deadline import TookTooLong, within
from tinygrad_lstm.lab.server import HERE, Lab, LabServer, listening

TOKEN = "a-token-of-the-test"
PAGES = {
    "index.html": b'<meta http-equiv="Content-Security-Policy" content="{{csp}}"><html lang="{{lang}}">{{engine}}',
    "js/app.mjs": b"export const x = '{{engine}}';",
}


@contextmanager
def running(lab):
    """The port at which a server answers."""
    server, sock = LabServer(lab), listening(0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()


@pytest.fixture(scope="module")
def port():
    with running(Lab(TOKEN, PAGES)) as port:
        yield port


def asked(port, method, path, body=None, **headers):
    """(status, headers, body) of a request; a header that is None is left out."""
    usual = {"host": f"{HERE}:{port}"}
    if method == "POST":
        usual |= {"origin": f"http://{HERE}:{port}", "authorization": f"Bearer {TOKEN}",
                  "content-type": "application/json"}  # fmt: skip
    usual |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(HERE, port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    for name, value in usual.items():
        if value is not None:
            connection.putheader(name, value)
    if data is not None:
        connection.putheader("content-length", str(len(data)))
    connection.endheaders(data)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers, content


HELLO = {"id": 7, "do": "hello", "lang": "en"}


def test_a_message_is_answered(port):
    status, headers, body = asked(port, "POST", "/api", HELLO)
    reply = json.loads(body)
    assert status == 200 and reply["id"] == 7 and reply["ok"]["engine"] == "local"
    assert headers["content-type"] == "application/json; charset=utf-8" and headers["cache-control"] == "no-store"
    status, _, body = asked(port, "POST", "/api", {"id": 8, "do": "make", "net": "a", "task": {"name": "words"}})
    assert status == 200 and json.loads(body)["ok"]["words"][:2] == ["�", "¶"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"authorization": None}),
        (401, {"authorization": "Bearer "}),
        (401, {"authorization": "Bearer " + TOKEN[:-1]}),
        (401, {"authorization": "Bearer " + TOKEN + "x"}),
        (401, {"authorization": f"Basic {TOKEN}"}),
        (421, {"host": "evil.example"}),
        (421, {"host": "127.0.0.1.evil.example:80"}),
        (421, {"host": "127.0.0.1@evil.example"}),
        (421, {"host": "[::1"}),
        (421, {"host": "0.0.0.0"}),
        (403, {"origin": None}),
        (403, {"origin": "null"}),
        (403, {"origin": "http://evil.example"}),
        (403, {"origin": "http://127.0.0.1:1"}),
        (403, {"origin": "http://127.0.0.1"}),
        (403, {"sec_fetch_site": "cross-site"}),
        (403, {"sec_fetch_site": "same-site"}),
        (415, {"content_type": "text/plain"}),
        (415, {"content_type": "application/x-www-form-urlencoded"}),
        (415, {"content_type": None}),
    ],
)
def test_whoever_is_not_the_page_is_refused(port, status, headers):
    got, _, body = asked(port, "POST", "/api", {"id": 1, "do": "state"}, **headers)
    assert got == status
    error = json.loads(body)["error"]["message"]
    assert " · " in error and any("一" <= c <= "鿿" for c in error), "in both languages: no page has asked yet"
    assert TOKEN not in body.decode()


def test_the_name_of_this_computer_will_do(port):
    assert asked(port, "POST", "/api", HELLO, host=f"localhost:{port}", origin=f"http://localhost:{port}")[0] == 200
    assert asked(port, "POST", "/api", HELLO, origin=f"http://localhost:{port}")[0] == 403, "but it must be the same"


def test_there_is_no_leave_for_other_origins(port):
    status, headers, _ = asked(port, "OPTIONS", "/api", host=f"{HERE}:{port}", origin="http://evil.example",
                               access_control_request_method="POST")  # fmt: skip
    assert status == 403 and not [name for name in headers if name.lower().startswith("access-control")]
    assert asked(port, "GET", "/api")[0] in (404, 405) and asked(port, "PUT", "/api", b"{}")[0] == 403


def test_the_files_of_the_page(port):
    status, headers, body = asked(port, "GET", f"/?token={TOKEN}")
    assert status == 200 and b'lang="en">local' in body and TOKEN.encode() not in body
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy
    assert page.policy().encode() in body and "'unsafe-eval'" not in policy and "http" not in policy
    for name, value in {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}.items():
        assert headers[name] == value
    status, headers, body = asked(port, "GET", "/js/app.mjs")
    assert (status, body) == (200, PAGES["js/app.mjs"]) and headers["content-type"].startswith("text/javascript")
    assert asked(port, "GET", "/?token=wrong")[0] == 401
    assert asked(port, "GET", "/", host="evil.example")[0] == 421
    assert asked(port, "GET", "/js/app.mjs", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")[0] == 403
    assert asked(port, "GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200, "a link"


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/..%2f..%2fetc/passwd", "//etc/passwd", "/js", "/api/x", "/%00"]
)
def test_nothing_else_is_served(port, path):
    assert asked(port, "GET", path)[0] == 404


def test_the_policy_allows_the_microscope_and_no_other_script():
    """Its script and its style stand in the page itself, under hashes that its own policy has, too."""
    from tinygrad_lstm.lab import Session

    session = Session()
    session.answer({"do": "make", "net": "a"})
    html = session.answer({"do": "microscope", "net": "a", "text": "mary lost"})["ok"]["html"]
    own = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', html)[1].replace("&#x27;", "'")
    hashes = re.findall(r"'sha256-[^']+'", own)
    assert len(hashes) == 2 and all(each in page.policy() for each in hashes)


def test_a_message_that_is_too_long_is_refused(port):
    status, _, body = asked(port, "POST", "/api", b'{"do": "' + b"x" * 1_000_000)
    assert status == 413 and "at most 200,000" in json.loads(body)["error"]["message"]
    status, _, body = asked(port, "POST", "/api", {"id": 1, "do": "x" * 300_000})
    assert status == 200 and "at most 200,000" in json.loads(body)["error"]["message"]
    assert asked(port, "POST", "/api", HELLO)[0] == 200


def test_what_is_no_message_is_answered(port):
    for body in (b"", b"\xff\xfe", b"[" * 100_000, b"null", b'{"do": "\\ud800"}'):
        status, _, answer = asked(port, "POST", "/api", body)
        assert status == 200 and "message" in json.loads(answer)["error"]


def test_each_page_has_nets_of_its_own(port):
    made = {"id": 1, "do": "make", "net": "b", "task": {"name": "words"}}
    assert asked(port, "POST", "/api", made, lab_session="one")[0] == 200
    for name, has in (("two", False), ("one", True)):
        _, _, body = asked(port, "POST", "/api", {"do": "train", "net": "b", "steps": 0}, lab_session=name)
        assert ("ok" in json.loads(body)) == has


@pytest.mark.parametrize(
    "loop", ["while True: pass", "while True:\n        try: missing\n        except Exception: pass"]
)
def test_a_loop_without_end_is_ended(loop):
    code = f"def step(self, x, state):\n    {loop}\n"
    with running(Lab(TOKEN, PAGES, seconds=0.5)) as port:
        start = time.perf_counter()
        _, _, body = asked(port, "POST", "/api", {"id": 3, "do": "compile", "code": code})
        error = json.loads(body)["error"]
        assert "was stopped" in error["message"] and error["line"] in (2, 3, 4) and time.perf_counter() - start < 20
        assert "ok" in json.loads(asked(port, "POST", "/api", HELLO)[2]), "and the next message is answered"


def test_what_is_ended_leaves_nothing_behind():
    """Neither an exception that comes later, nor an interpreter that hangs at the next profile, as of a compiler."""

    def loop():
        while True:
            pass

    ended = []
    for seconds in (0.0, 0.05, 0.3):
        with pytest.raises(TookTooLong):
            within(seconds, loop)
        ended.append(within(10, lambda: sum(range(100_000))))
    for _ in range(20):  # what ends just then
        with suppress(TookTooLong):
            within(0.1, lambda: time.sleep(0.1))
    assert ended == [4_999_950_000] * 3
    code = "from tinygrad_lstm.lab.deadline import *\ntry: within(0.1, lambda: [None for _ in iter(int, 1)])\n"
    code += "except TookTooLong: pass\nimport tinygrad_lstm as tl; print(len(tl.nn.LSTM(2, 3).source()) > 100)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "True\n", run.stderr


def test_it_listens_on_this_computer_alone(port):
    sock = listening(0)
    assert sock.getsockname()[0] == "127.0.0.1"
    sock.listen()
    with pytest.raises(OSError, match=r"--port \d+: cannot be listened on"):
        listening(sock.getsockname()[1])
    sock.close()
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)} - {HERE}
    for other in others:
        with pytest.raises(OSError):
            socket.create_connection((other, port), timeout=2)


@contextmanager
def commanded(*words):
    """The command as a process, its port and its token. Instead of a browser's start, its address is printed."""
    code = "import sys, webbrowser; webbrowser.open = lambda url: print(url, flush=True); "
    code += "from tinygrad_lstm.lab import page; page.assets = lambda: {'index.html': b'{{engine}}'}; "
    code += "from tinygrad_lstm.cli import main; sys.exit(main(['lab', '--port', '0', '--lang', 'zh', *sys.argv[1:]]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        port, token = re.fullmatch(r"the lab: http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43,})\n", line).groups()
        assert "Ctrl-C ends it" in process.stdout.readline()
        for _ in range(100):
            try:
                socket.create_connection((HERE, int(port)), timeout=2).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield process, int(port), token
    finally:
        process.kill()
        process.communicate()


def test_the_command():
    """It prints an address with a token that nobody can guess, answers there, and ends with Ctrl-C."""
    with commanded("--no-browser") as (process, port, token):
        status, _, body = asked(port, "GET", f"/?token={token}")
        assert (status, body) == (200, b"local")
        assert asked(port, "POST", "/api", HELLO, authorization=f"Bearer {token}")[0] == 200
        assert asked(port, "POST", "/api", HELLO, authorization=f"Bearer {TOKEN}")[0] == 401
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err and process.returncode in (0, 130)


def test_the_browser_is_not_told_the_token_in_its_arguments():
    """A file that only its owner can read leads there; it goes with the server."""
    with commanded() as (process, port, token):
        url = process.stdout.readline().strip()
        file = Path(unquote(urlsplit(url).path))
        assert url.startswith("file://") and token not in url
        assert f"http://{HERE}:{port}/?token={token}" in file.read_text() and file.parent.stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert not file.exists()


def test_ctrl_c_does_not_wait_for_a_loop_without_end():
    with commanded("--no-browser") as (process, port, token):
        loop = {"do": "compile", "code": "def step(self, x, state):\n    while True: pass\n"}
        got = []
        thread = threading.Thread(
            target=lambda: got.append(asked(port, "POST", "/api", loop, authorization=f"Bearer {token}"))
        )
        thread.start()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        thread.join(20)
        assert json.loads(got[0][2])["error"]["line"] == 2 and "Traceback" not in err


def test_wrong_use_of_the_command(capsys, tmp_path, monkeypatch):
    for words, said in {
        ("--lang", "fr"): "--lang fr: it is en or zh",
        ("--build", str(tmp_path)): "give both",
        ("--pyodide", str(tmp_path)): "give both",
        ("--port", "70000"): "65535",
    }.items():
        assert main(["lab", *words]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "tinygrad_lstm.lab.server")
    assert main(["lab", "--no-browser"]) == 1
    assert "pip install 'tinygrad-lstm[lab]'" in capsys.readouterr().err
