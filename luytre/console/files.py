"""The console's own files (style, script, icon): packed once, named by their content, kept long."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent. ``name`` holds the digest of its content."""

    name: str
    kind: str
    plain: bytes
    packed: bytes


@lru_cache(maxsize=1)
def files() -> dict[str, File]:
    """Return the files by the names that templates call them by (``console.css``)."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}


def address(name: str) -> str:
    """Return the path of a file; it changes whenever the file does."""
    return f"/static/{files()[name].name}"


def send(request: Request) -> Response:
    """Answer with a file: public, and the same for everybody."""
    asked = request.path_params["name"]
    found = next((file for file in files().values() if file.name == asked), None)
    if found is None:
        return Response("not found", 404, media_type="text/plain")
    etag = f'"{found.name}"'
    headers = {"Cache-Control": FOREVER, "ETag": etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.packed, headers=headers, media_type=found.kind)
    return Response(found.plain, headers=headers, media_type=found.kind)


def _read(path: Path) -> File:
    plain = path.read_bytes()
    digest = hashlib.sha256(plain).hexdigest()[:12]
    packed = gzip.compress(plain, 9, mtime=0)
    return File(f"{path.stem}.{digest}{path.suffix}", KINDS[path.suffix], plain, packed)
