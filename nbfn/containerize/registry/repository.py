"""One repository of a registry over HTTP: the requests of the OCI distribution specification."""

from __future__ import annotations

import contextlib
import functools
import ssl
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin

import httpx

from nbfn.containerize.image import (
    DOCKER_INDEX_TYPE,
    DOCKER_MANIFEST_TYPE,
    INDEX_TYPE,
    MANIFEST_TYPE,
    digest_of,
)
from nbfn.containerize.registry import explain
from nbfn.containerize.registry.auth import Authorization
from nbfn.errors import LoginFailed, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbfn.containerize.image import Descriptor
    from nbfn.containerize.registry.access import Access
    from nbfn.containerize.registry.reference import Reference

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# The specification lets registries refuse larger ones, so none is needed.
MANIFEST_MAX_BYTES = 4 << 20
_ACCEPT = ", ".join((MANIFEST_TYPE, INDEX_TYPE, DOCKER_MANIFEST_TYPE, DOCKER_INDEX_TYPE))
_PLAIN = {"Accept-Encoding": "identity"}


class Repository:
    """A repository, as ``ref`` names it; a context manager that closes its connections.

    ``root`` is what :attr:`open_root` was before: it is not asked for again.
    """

    def __init__(self, ref: Reference, access: Access, *, push: bool = False, root: str = "") -> None:
        self.ref = ref
        self.doing = "pushing" if push else "pulling"
        self._access = access
        self._push = push
        self._client = self._open("http")
        self._root = ""
        # What may be spoken to it can have changed since.
        self._guess = root if root in {f"{each}://{ref.api_host}" for each in access.schemes(ref)} else ""
        self._authorization: Authorization | None = None
        self._not_mounted: set[str] = set()
        self.open_root = ""
        """Where its registry is, if that speaks plain http and asks nobody for a login."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def connect(self) -> None:
        """Connect and log in now, not with the first request; from then on threads may share it.

        Raises:
            LoginFailed, RegistryError: as :meth:`request`.
        """
        self._authorized()

    @property
    def is_guessed(self) -> bool:
        """True while it is spoken to as it was before, without having been asked."""
        return bool(self._guess)

    def reconnect(self) -> None:
        """Connect as if nothing was known of the registry. Raises as :meth:`connect`."""
        self._guess, self._authorization = "", None
        self.connect()

    # Manifests

    def manifest_digest(self, pointer: str) -> str | None:
        """The digest that the tag or digest ``pointer`` has now; None if it has none."""
        response = self.request("HEAD", f"manifests/{pointer}", headers={"Accept": _ACCEPT}, allow=(404,))
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return response.headers.get("docker-content-digest") or digest_of(self.manifest(pointer)[0])

    def manifest(self, pointer: str) -> tuple[bytes, str]:
        """The bytes and media type of a manifest.

        Raises:
            RegistryError: it is not there, too large, or not what ``pointer``, a digest, says.
        """
        with self.stream(f"manifests/{pointer}", {"Accept": _ACCEPT}) as response:
            data = bytearray()
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > MANIFEST_MAX_BYTES:
                    raise RegistryError(f"the manifest of {self.ref} is over {MANIFEST_MAX_BYTES:,} bytes")
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        found = digest_of(bytes(data))
        if pointer.startswith("sha256:") and found != pointer:
            raise RegistryError(
                f"{self.ref.host} sent a manifest of {self.ref.repository} with the digest {found}, "
                f"and {pointer} was asked for",
                hint="the registry, or a proxy before it, is damaged: tell its owner",
            )
        return bytes(data), media_type

    def put_manifest(self, data: bytes, media_type: str, pointer: str) -> None:
        """Make ``pointer`` (a tag, or the manifest's own digest) name this manifest."""
        response = self.request(
            "PUT", f"manifests/{pointer}", headers={"Content-Type": media_type}, content=data
        )
        digest = response.headers.get("docker-content-digest", digest_of(data))
        if digest != digest_of(data):
            raise RegistryError(
                f"{self.ref.host} keeps the manifest of {self.ref} as {digest}, and it is {digest_of(data)}",
                hint="the registry changes what it is given: use another one",
            )

    def tags(self) -> list[str]:
        """Every tag, sorted."""
        found: list[str] = []
        path: str | None = "tags/list?n=1000"
        while path:
            response = self.request("GET", path)
            body = _json(response)
            names = body.get("tags") if isinstance(body, dict) else None
            found += [str(name) for name in names or ()]
            following = response.links.get("next", {}).get("url")
            path = urljoin(str(response.url), following) if following else None
        return sorted(set(found))

    # Blobs

    def has_blob(self, descriptor: Descriptor) -> bool:
        """True if the blob is there, with the size that it should have."""
        response = self.request("HEAD", f"blobs/{descriptor.digest}", allow=(404,))
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        size: str = response.headers.get("content-length", str(descriptor.size))
        return size == str(descriptor.size)

    @contextlib.contextmanager
    def blob(self, digest: str, at: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bytes of a blob from ``at`` on, if the registry can do that; and where they do begin."""
        headers = {"Range": f"bytes={at}-"} if at else {}
        with self.stream(f"blobs/{digest}", headers) as response:
            begins = at if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
            yield begins, response.iter_raw()

    def mount(self, digest: str, other: str) -> bool:
        """Let this repository have a blob of the repository ``other`` too; False if it cannot be.

        A registry that says no to that, or its token server, does not say no to an upload.
        """
        if other in self._not_mounted:
            return False
        self._authorized().also(other)
        try:
            response = self.request("POST", "blobs/uploads/", params={"mount": digest, "from": other})
        except RegistryError as error:
            if not httpx.codes.is_client_error(error.status):
                raise
            self._authorized().no_longer(other)  # or every token after this one would be refused too
            self._not_mounted.add(other)
            return False
        if response.status_code == httpx.codes.CREATED:
            return True
        self.request("DELETE", self.location(response), allow=range(400, 600))  # an upload nobody wants
        return False

    # Requests

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        allow: tuple[int, ...] | range = (),
    ) -> httpx.Response:
        """The answer to a request below the repository (or to an absolute URL).

        Raises:
            LoginFailed: refused, and said which part of the login is wrong.
            RegistryError: another status than success or one of ``allow``; or it could not be reached.
        """
        url = self._url(path)
        if params:
            url = str(httpx.URL(url).copy_merge_params(params))
        with self._explained():
            for again in (True, False):
                sent = self._client.build_request(
                    method, url, headers={**(headers or {}), **self._headers(url)}, content=content
                )
                response = self._client.send(sent, follow_redirects=method in ("GET", "HEAD"))
                if response.status_code != httpx.codes.UNAUTHORIZED or not again:
                    break
                if not self._authorized().answer(response):
                    break
        if response.is_success or response.status_code in allow:
            return response
        raise self._refused(response)

    @contextlib.contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The answer to a GET, its body still to come, never decoded. Raises as :meth:`request`."""
        url = self._url(path)
        with self._explained(), contextlib.ExitStack() as stack:
            for again in (True, False):
                response = stack.enter_context(
                    self._client.stream(
                        "GET", url, headers={**_PLAIN, **headers, **self._headers(url)}, follow_redirects=True
                    )
                )
                if response.status_code != httpx.codes.UNAUTHORIZED or not again:
                    break
                response.read()
                if not self._authorized().answer(response):
                    break
            if not response.is_success:
                response.read()
                raise self._refused(response)
            yield response

    def location(self, response: httpx.Response) -> str:
        """Where an answer says to go on, as an absolute URL."""
        found: str = response.headers.get("location", "")
        if not found:
            raise RegistryError(f"{self.ref.host} does not say where an upload goes on")
        return urljoin(str(response.url), found)

    def _refused(self, response: httpx.Response) -> RegistryError:
        login = self._authorized().login
        return explain.refused(self.ref, self.doing, response.status_code, _json(response), login)

    def _headers(self, url: str) -> dict[str, str]:
        # An upload may go on elsewhere (a store of objects), which has no business with our login.
        ours = httpx.URL(self._root)
        other = httpx.URL(url)
        same = (ours.scheme, ours.host, ours.port) == (other.scheme, other.host, other.port)
        return self._authorized().headers() if same else {}

    def _url(self, path: str) -> str:
        self._authorized()
        return urljoin(f"{self._root}/v2/{self.ref.repository}/", path)

    def _authorized(self) -> Authorization:
        """Connected on first use: which scheme it speaks, and what it asks for."""
        if self._authorization is None:
            self.open_root = self._root = self._guess
            response = None
            if not self._guess:
                with self._explained():
                    response = self._connect()
            login = self._access.login(self.ref)
            self._authorization = Authorization(
                self._client, self.ref, login, push=self._push, doing=self.doing
            )
            if response is None:
                return self._authorization
            if response.is_success and self._root.startswith("http:"):
                self.open_root = self._root
            if response.status_code == httpx.codes.UNAUTHORIZED and not self._authorization.answer(response):
                raise self._refused(response)
        return self._authorization

    def _connect(self) -> httpx.Response:
        *others, last = self._access.schemes(self.ref)
        for scheme in (*others, last):
            root, client = f"{scheme}://{self.ref.api_host}", self._open(scheme)
            try:
                response = client.get(f"{root}/v2/")
            except httpx.RemoteProtocolError:
                client.close()
                if scheme == last:
                    raise
                continue
            except httpx.HTTPError:
                client.close()
                raise
            # What a TLS server says to plain http.
            if response.status_code == httpx.codes.BAD_REQUEST and scheme != last:
                client.close()
                continue
            self._client.close()
            self._client, self._root = client, root
            return response
        raise AssertionError("there is always a scheme to try")

    def _open(self, scheme: str) -> httpx.Client:
        if scheme == "https":
            return httpx.Client(timeout=_TIMEOUT, verify=self._access.tls(self.ref))
        # Its blobs may still be in a store of objects that speaks TLS.
        elsewhere = {"https://": _Later(lambda: httpx.HTTPTransport(verify=self._access.tls(self.ref)))}
        return httpx.Client(timeout=_TIMEOUT, verify=_no_tls(), trust_env=False, mounts=elsewhere)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise unreachable(self.ref, self.doing, error) from error


@functools.cache
def _no_tls() -> ssl.SSLContext:
    """What httpx wants even for plain http; its own would read every authority's certificate first."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Later(httpx.BaseTransport):
    """A transport that is made when it is first needed."""

    def __init__(self, make: Callable[[], httpx.BaseTransport]) -> None:
        self._make = make
        self._made: httpx.BaseTransport | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._made = self._made or self._make()
        return self._made.handle_request(request)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


def unreachable(ref: Reference, doing: str, error: httpx.HTTPError) -> RegistryError:
    """A transport's failure in words."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return LoginFailed(
            f"{ref.host} shows a certificate that is not trusted: {cause.verify_message}",
            hint="set NBFN_REGISTRY_CA to the file of the authority that signed it",
        )
    if isinstance(cause, ssl.SSLError):
        return RegistryError(
            f"{ref.host} does not speak TLS as it should: {cause.reason or cause}",
            hint=f"if it speaks plain http, set NBFN_REGISTRY_HTTP={ref.host}",
        )
    what = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return RegistryError(
            f"the registry {ref.host} cannot be reached: {what}",
            hint="is its name right, does it run, and does this machine reach it (network, proxy)?",
        )
    return RegistryError(
        f"the connection to {ref.host} broke while {doing} {ref.repository}: {what}",
        hint="try again: what arrived is kept, and it goes on from there",
    )


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, UnicodeDecodeError, httpx.ResponseNotRead):
        return None
