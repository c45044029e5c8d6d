"""Names of images in registries: ``[host[:port]/]repository[:tag][@sha256:…]``, as Docker reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from nbfn.errors import BadInput

HUB = "docker.io"
_HUB_API = "registry-1.docker.io"
DEFAULT_TAG = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OCIR = re.compile(r"(?:(?P<key>[a-z0-9-]+)\.ocir\.io|ocir\.(?P<region>[a-z0-9-]+)\.oci\.oraclecloud\.com)")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry."""

    host: str
    """``docker.io``, ``localhost:5000``, ``fra.ocir.io``."""
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a name as Docker does: without a host it is Docker Hub's, without a tag ``latest``.

        Raises:
            BadInput: it is none; says which part.
        """
        rest, at, digest = text.removeprefix("docker://").partition("@")
        head, slash, tail = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost"):
            host, path = head, tail
        else:
            host, path = HUB, rest
        path, colon, tag = path.partition(":")
        if host in ("index.docker.io", _HUB_API):
            host = HUB
        problem = _problem(host, path, tag if colon else "x", digest if at else "")
        if problem:
            raise BadInput(
                f"{text!r} is not the name of an image: {problem}",
                hint="write it like localhost:5000/team/greet:1.0, or with @sha256:… at its end",
            )
        if host == HUB and "/" not in path:
            path = f"library/{path}"
        return cls(host, path, tag or ("" if digest else DEFAULT_TAG), digest)

    @property
    def api_host(self) -> str:
        """Where the registry's API is."""
        return _HUB_API if self.host == HUB else self.host

    @property
    def name(self) -> str:
        """``host/repository``."""
        return f"{self.host}/{self.repository}"

    @property
    def pointer(self) -> str:
        """What a manifest is asked for by: the digest if there is one, else the tag."""
        return self.digest or self.tag

    @property
    def is_ocir(self) -> bool:
        """True for Oracle's registry."""
        return _OCIR.fullmatch(self.host) is not None

    def pinned(self, digest: str) -> Reference:
        """The same repository at ``digest``."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def is_local(host: str) -> bool:
    """True if ``host`` is this machine, which Docker too trusts without TLS."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return name in ("localhost", "[::1]") or re.fullmatch(r"127(?:\.\d+){3}", name) is not None


def _problem(host: str, path: str, tag: str, digest: str) -> str:
    if not _HOST.fullmatch(host):
        return f"{host!r} is not a host"
    if not path:
        return "it has no repository"
    if path != path.lower():
        return f"the repository {path!r} has capital letters"
    if not _REPOSITORY.fullmatch(path) or len(path) > 255:
        return f"{path!r} is not a repository"
    if not _TAG.fullmatch(tag):
        return f"{tag!r} is not a tag"
    if digest and not _DIGEST.fullmatch(digest):
        return f"{digest!r} is not a digest of the form sha256:…"
    return ""
