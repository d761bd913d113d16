"""Just enough of the JSON API of Cloud Storage, preconditions included, to see what is sent."""

import json
import re
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import quote

from nyc_tlc.core.checksum import crc32c
from tests.ports.scripted_http import Answer, Request, ScriptedServer

BUCKET = "lake"
QUARTER = 1 << 18
"""Of an unfinished upload Cloud Storage keeps a multiple of these bytes."""
BUCKET_LOOKUP = re.compile(r"/storage/v1/b/[^/]+")
"""The library asks for the bucket from another thread, whenever it likes."""
_OBJECT = re.compile(rf"(?:/download)?/storage/v1/b/{BUCKET}/o/(.+)")
_REWRITE = re.compile(rf"/storage/v1/b/{BUCKET}/o/(.+)/rewriteTo/b/{BUCKET}/o/(.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_BOUNDARY = re.compile(rb"boundary=[\"']?([^\"';]+)")


@dataclass
class GcsWire:
    """One bucket, ``lake``.

    Attributes:
        objects: Name to generation and bytes.
        faults: Answers given instead of what the next requests earn; None: what they earn.
        lost: Answers given to the next requests after they were carried out.
        rewrite_rounds: Tokens handed out before a rewrite is done.
        keeps_little: Bytes of each chunk that the store does not keep, as it may.
        crc32c_of: What the store says it has, whatever it has.
        chunks: Requests with a part of an upload, broken ones included.
    """

    objects: dict[str, tuple[int, bytes | bytearray]] = field(default_factory=dict)
    faults: deque[Answer | None] = field(default_factory=deque)
    lost: deque[Answer | None] = field(default_factory=deque)
    rewrite_rounds: int = 0
    keeps_little: int = 0
    crc32c_of: bytes | None = None
    chunks: int = 0
    _uploads: dict[str, bytearray] = field(default_factory=dict)
    _generation: int = 1000

    def answer(self, request: Request) -> Answer:
        if BUCKET_LOOKUP.fullmatch(request.path):
            return error(403, "roles/storage.objectUser has no storage.buckets.get")
        if self.faults and (fault := self.faults.popleft()):
            return fault
        earned = self._earned(request)
        return (self.lost.popleft() if self.lost else None) or earned

    def put(self, name: str, content: bytes | bytearray) -> int:
        self._generation += 1
        self.objects[name] = (self._generation, content)
        return self._generation

    def _earned(self, request: Request) -> Answer:
        if request.path == f"/upload/storage/v1/b/{BUCKET}/o":
            return self._upload(request)
        if request.path == f"/storage/v1/b/{BUCKET}/o":
            names = sorted(
                name for name in self.objects if name.startswith(request.query["prefix"])
            )
            return _json({"items": [self._resource(name) for name in names]})
        if match := _REWRITE.fullmatch(request.path):
            return self._rewrite(request, match[1], match[2])
        match = _OBJECT.fullmatch(request.path)
        return self._object(request, match[1]) if match else no_bucket()

    def _upload(self, request: Request) -> Answer:
        query = request.query
        if query["uploadType"] == "multipart":
            boundary = _BOUNDARY.search(request.headers["Content-Type"].encode())
            assert boundary is not None
            _, meta, media, _ = request.body.split(b"--" + boundary[1])
            name = json.loads(meta.partition(b"\r\n\r\n")[2])["name"]
            content = media.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            return self._refusal(request, name) or self._store(name, content)
        if request.method == "POST":
            name = json.loads(request.body)["name"]
            self._uploads[name] = bytearray()
            location = f"http://{request.headers['Host']}{request.target}&upload_id={quote(name)}"
            return Answer(200, {"Location": location})
        return self._chunk(request, query["upload_id"])

    def _chunk(self, request: Request, name: str) -> Answer:
        """Keep what is new of a chunk, in multiples of 256 KiB; the last one ends the object."""
        self.chunks += 1
        if name not in self._uploads:  # ended before: its answer was lost
            return _json(self._resource(name))
        start, end, total = map(int, re.findall(r"\d+", request.headers["Content-Range"]))
        has = self._uploads[name]
        has += request.body[len(has) - start :]
        if len(has) == total and not self.keeps_little:
            del self._uploads[name]
            return self._refusal(request, name) or self._store(name, has)
        if len(request.body) < end + 1 - start or self.keeps_little:
            del has[(len(has) - self.keeps_little) // QUARTER * QUARTER :]
        return Answer(308, {"Range": f"bytes=0-{len(has) - 1}"})

    def _rewrite(self, request: Request, source: str, target: str) -> Answer:
        if source not in self.objects:
            return no_object(source)
        if refusal := self._refusal(request, target):
            return refusal
        size = len(self.objects[source][1])
        if self.rewrite_rounds:
            self.rewrite_rounds -= 1
            progress = {"totalBytesRewritten": "1", "objectSize": str(size), "done": False}
            return _json({**progress, "rewriteToken": f"round {self.rewrite_rounds}"})
        self.put(target, self.objects[source][1])
        progress = {"totalBytesRewritten": str(size), "objectSize": str(size), "done": True}
        return _json({**progress, "resource": self._resource(target)})

    def _object(self, request: Request, name: str) -> Answer:
        generation, content = self.objects.get(name, (0, b""))
        if not generation or request.query.get("generation", str(generation)) != str(generation):
            return no_object(name)
        if request.method == "DELETE":
            del self.objects[name]
            return Answer(204)
        if not request.path.startswith("/download"):
            return _json(self._resource(name))
        hashes = {"X-Goog-Hash": f"crc32c={crc32c(self.crc32c_of or content)}"}
        if wanted := _RANGE.fullmatch(request.headers.get("Range", "")):
            start, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
            part = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            return Answer(206, hashes | part, content[start : end + 1])
        return Answer(200, hashes, content)

    def _refusal(self, request: Request, name: str) -> Answer | None:
        wanted = request.query.get("ifGenerationMatch")
        found = self.objects.get(name, (0, b""))[0]
        if wanted is None or wanted == str(found):
            return None
        return error(412, "At least one of the pre-conditions you specified did not hold.")

    def _store(self, name: str, content: bytes | bytearray) -> Answer:
        self.put(name, content)
        return _json(self._resource(name))

    def _resource(self, name: str) -> dict[str, str]:
        generation, content = self.objects[name]
        return {
            "kind": "storage#object",
            "bucket": BUCKET,
            "name": name,
            "generation": str(generation),
            "size": str(len(content)),
            "crc32c": crc32c(self.crc32c_of or content),
        }


def object_requests(server: ScriptedServer) -> list[Request]:
    """What the lake sent, in order."""
    return [r for r in server.requests if not BUCKET_LOOKUP.fullmatch(r.path)]


def backend_error() -> Answer:
    return error(503, "Backend Error")


def error(status: int, message: str, reason: str = "", **headers: str) -> Answer:
    details = [{"reason": reason, "message": message}] if reason else []
    answer = _json({"error": {"code": status, "message": message, "errors": details}}, status)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {**answer.headers, **named}, answer.body)


def no_bucket() -> Answer:
    return error(404, "The specified bucket does not exist.")


def no_object(name: str) -> Answer:
    return error(404, f"No such object: {BUCKET}/{name}")


def _json(value: object, status: int = 200) -> Answer:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, headers, json.dumps(value).encode())
