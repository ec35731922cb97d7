"""A stand-in for W&B's server on this machine: enough that an online run starts, streams, ends and is gone on with.

It answers the queries of wandb 0.31, keeps the history that is streamed, and can go dark: hang, or refuse to connect.
"""

import json
import math
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OWNER = {"id": "1", "name": "tester"}
_VIEWER = {"id": "1", "username": "tester", "entity": "tester", "flags": "{}", "teams": {"edges": []}}


class FakeWandb:
    """Serves at ``url`` from the start; hangs after ``until`` requests that stream, of which one comes at once.

    The next comes after 15 seconds, or with the end of the run.
    """

    def __init__(self, until: float = math.inf) -> None:
        self._until = until
        self.streamed = 0  # requests
        self._gone = False
        self._histories: dict[str, list[str]] = {}
        self._light = threading.Event()  # unset: requests hang
        self._light.set()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What leads W&B here, with a key, and nowhere else; WANDB_MODE must not be set."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": "0123456789" * 4,
            "WANDB_ERROR_REPORTING": "false",
        }

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The history of the run ``name``, as far as it was streamed."""
        return [json.loads(line) for line in self._histories.get(name, [])]

    def hang(self) -> None:
        """From now on requests are taken and not answered."""
        self._light.clear()

    def refuse(self) -> None:
        """From now on nothing listens, and connections that there are end without an answer."""
        self._gone = True
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        """What hangs is answered."""
        self._light.set()

    def answer(self, path: str, body: bytes) -> dict[str, Any] | None:
        """To one request; not in the dark."""
        self._light.wait()
        if self._gone:
            return None
        if path == "/graphql":
            asked = json.loads(body)
            return {"data": self._data(asked["query"], asked.get("variables") or {})}
        if found := re.fullmatch(r"/files/.*/(.*)/file_stream", path):
            history = (json.loads(body).get("files") or {}).get("wandb-history.jsonl")
            if history:
                self._histories[found[1]][history["offset"] :] = history["content"]
            self.streamed += 1
            if self.streamed == self._until:
                self.hang()
        return {}

    def _data(self, query: str, asked: dict[str, Any]) -> dict[str, Any]:
        if "viewer" in query:
            return {"viewer": _VIEWER}
        if "query RunResumeStatus" in query:
            known = self._bucket(asked) if asked["name"] in self._histories else None
            return {"model": {**_project(asked), "bucket": known}}
        if "mutation UpsertBucket" in query:
            new = asked["name"] not in self._histories
            self._histories.setdefault(asked["name"], [])
            return {"upsertBucket": {"bucket": self._bucket(asked), "inserted": new}}
        if "mutation CreateRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/storage/{name}"} for name in asked["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        return {}

    def _bucket(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, lines = asked["name"], self._histories[asked["name"]]
        return {
            **dict.fromkeys(("id", "name", "displayName"), name),
            **dict.fromkeys(("config", "summaryMetrics"), "{}"),
            "wandbConfig": '{"t": 1}',  # that a run has begun
            **dict.fromkeys(("sweepName", "description", "notes")),
            **dict.fromkeys(("logLineCount", "eventsLineCount"), 0),
            "historyLineCount": len(lines),
            "historyTail": json.dumps(lines[-1:]),
            "eventsTail": "[]",
            "tags": [],
            "project": _project(asked),
        }


def _project(asked: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "name": asked["project"], "entity": _OWNER}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was kept waiting has gone."""


def _handler(fake: FakeWandb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = fake.answer(self.path, asked)
            if answer is None:
                self.close_connection = True
                return
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    return Handler
