"""WebDriver BiDi, as far as a smoke test needs it: Firefox by its own remote agent, without a driver."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PORT_OF = re.compile(r"WebDriver BiDi listening on ws://([\w.]+):(\d+)")


class Session:
    """A connection; ``events`` are those that came."""

    def __init__(self, host: str, port: int, seconds: float = 60) -> None:
        self.events: list[dict[str, Any]] = []
        self.link = socket.create_connection((host, port), seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        asked = f"GET /session HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.link.sendall(f"{asked}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.kept, self.number = b"", 0
        answer = self._until(b"\r\n\r\n")
        if b" 101 " not in answer:
            raise ConnectionError(answer.decode(errors="replace"))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; RuntimeError if Firefox says that it is an error."""
        self.number += 1
        self._send(json.dumps({"id": self.number, "method": method, "params": params}).encode())
        while True:
            found = json.loads(self._message())
            if found.get("id") == self.number:
                if found["type"] == "error":
                    raise RuntimeError(f"{method}: {found['error']}: {found['message']}")
                return found["result"]
            self.events.append(found)

    def evaluate(self, context: str, expression: str) -> Any:
        """What a script gives, by way of JSON."""
        script = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        found = self.ask("script.evaluate", expression=script, target={"context": context}, awaitPromise=True)
        if found["type"] != "success":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"]["value"])

    def _send(self, content: bytes) -> None:
        size, mask = len(content), os.urandom(4)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        self.link.sendall(b"\x81" + (length if size < 65536 else b"\xff" + struct.pack(">Q", size)) + mask + masked)

    def _message(self) -> bytes:
        whole = b""
        while True:
            first, second = self._read(2)
            size = second & 127
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            content = self._read(size)
            if first & 15 in (0, 1, 2):
                whole += content
                if first & 128:
                    return whole
            elif first & 15 == 8:
                raise ConnectionError("Firefox has closed the connection")

    def _read(self, n: int) -> bytes:
        while len(self.kept) < n:
            more = self.link.recv(65536)
            if not more:
                raise ConnectionError("Firefox is gone")
            self.kept += more
        found, self.kept = self.kept[:n], self.kept[n:]
        return found

    def _until(self, end: bytes) -> bytes:
        while end not in self.kept:
            self.kept += self.link.recv(4096)
        found, _, self.kept = self.kept.partition(end)
        return found


@contextmanager
def firefox(path: str, profile: Path, seconds: float = 60) -> Iterator[Session]:
    """A Firefox without a window, with a profile of its own, whose only way out is a proxy that nobody serves."""
    lost = 'user_pref("network.proxy.type", 1);\nuser_pref("network.proxy.socks", "127.0.0.1");\n'
    (profile / "user.js").write_text(f'{lost}user_pref("network.proxy.socks_port", 9);\n')
    log = profile / "said.txt"
    asked = [
        path,
        "--headless",
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port",
        "0",
        "about:blank",
    ]
    with log.open("wb") as said:
        process = subprocess.Popen(asked, stdout=said, stderr=said, env={**os.environ, "HOME": str(profile)})
    try:
        found, end = None, time.monotonic() + seconds
        while found is None:
            if process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"{path} offers no WebDriver BiDi: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
            found = PORT_OF.search(log.read_text(errors="replace"))
        session = Session(found[1], int(found[2]))
        session.ask("session.new", capabilities={})
        yield session
        session.link.close()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
