"""Instance principals: a compute instance's certificate, exchanged for a token that lasts a while."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, load_pem_x509_certificate

from nbfn.deploy.oci.keys import NONE, expires_at, parse_key
from nbfn.deploy.oci.regions import find_region
from nbfn.deploy.oci.signing import Identity, sign
from nbfn.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_METADATA_URL = "http://169.254.169.254/opc/v2"
_MARGIN_S = 60.0
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_HINT = "an instance principal is there on compute instances of OCI alone: elsewhere use a profile"


class InstancePrincipal:
    """The instance that this process runs on, as a principal.

    ``OCI_METADATA_BASE_URL`` says where its metadata is; ``auth_url`` where tokens are given out (default:
    its region's own). ``delegation`` reads the token of the person on whose behalf it asks, as in Cloud
    Shell.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        region: str = "",
        auth_url: str = "",
        delegation: Callable[[], str] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metadata = (environ.get("OCI_METADATA_BASE_URL") or _METADATA_URL).rstrip("/")
        self._environ = environ
        self._region = region
        self._auth_url = auth_url
        self._delegation = delegation
        self._clock = clock
        self._held: Identity | None = None
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The region that the instance is in, as its metadata says it."""
        if not self._region:
            with httpx.Client(timeout=_TIMEOUT, trust_env=False) as client:
                self._region = self._read(client, "instance/region").decode().strip()
        return self._region

    def identity(self) -> Identity:
        with self._lock:
            if self._held is None or self._ends_soon(self._held):
                self._held = self._exchange()
            return replace(self._held, delegation=self._delegation())

    def refresh(self) -> bool:
        with self._lock:
            self._held = self._exchange()
            return True

    def _ends_soon(self, identity: Identity) -> bool:
        end = expires_at(identity.key_id.removeprefix("ST$"))
        return end is not None and end - self._clock() < _MARGIN_S

    def _exchange(self) -> Identity:
        with httpx.Client(timeout=_TIMEOUT, trust_env=False) as client:
            leaf = self._read(client, "identity/cert.pem")
            leaf_key = parse_key(self._read(client, "identity/key.pem"), NONE, "the instance's metadata")
            intermediate = self._read(client, "identity/intermediate.pem")
            certificate = load_pem_x509_certificate(leaf)
            session = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = session.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            mark = certificate.fingerprint(SHA1()).hex(":").upper()  # noqa: S303 - how OCI names certificates
            asking = Identity(f"{tenancy_of(certificate)}/fed-x509/{mark}", leaf_key)
            request = client.build_request(
                "POST",
                self._auth_url or find_region(self.region, self._region_metadata).auth_url,
                json={
                    "certificate": _bare(leaf),
                    "publicKey": _bare(public),
                    "intermediateCertificates": [_bare(intermediate)],
                },
            )
            signed = sign(
                asking,
                "POST",
                request.url.raw_path.decode("ascii"),
                request.url.netloc.decode("ascii"),
                {name.lower(): value for name, value in request.headers.items()},
                request.content,
                with_host=False,
            )
            request.headers.update(signed)
            token = _token(client, request)
        return Identity(f"ST${token}", session)

    @property
    def _region_metadata(self) -> str:
        return self._environ.get("OCI_REGION_METADATA", "")

    def _read(self, client: httpx.Client, path: str) -> bytes:
        url = f"{self._metadata}/{path}"
        try:
            response = client.get(url, headers={"Authorization": "Bearer Oracle"})
        except httpx.TransportError as error:
            raise CredentialsError(
                f"the instance's metadata at {url} cannot be reached", hint=_HINT
            ) from error
        if response.status_code != 200:
            raise CredentialsError(f"the metadata at {url} answers {response.status_code}", hint=_HINT)
        return response.content


def tenancy_of(certificate: Certificate) -> str:
    """The tenancy that an instance's certificate names.

    Raises:
        CredentialsError: it names none.
    """
    for attribute in certificate.subject:
        kind, _, value = str(attribute.value).partition(":")
        if kind in ("opc-tenant", "opc-identity"):
            return value
    raise CredentialsError("the instance's certificate names no tenancy", hint=_HINT)


def _token(client: httpx.Client, request: httpx.Request) -> str:
    where = request.url.copy_with(query=None)
    try:
        response = client.send(request)
    except httpx.TransportError as error:
        raise CredentialsError(f"{where} cannot be reached for a token: {error}") from error
    try:
        return str(response.json()["token"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(
            f"{where} gave no token for this instance ({response.status_code})",
            hint="is the machine's clock right, and is the instance in a dynamic group?",
        ) from None


def _bare(pem: bytes) -> str:
    """PEM without its first and last line, and on one line."""
    return "".join(line for line in pem.decode().splitlines() if line and not line.startswith("-----"))
