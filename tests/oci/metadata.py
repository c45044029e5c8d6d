"""A compute instance's metadata, and the service that gives instances their tokens."""

from __future__ import annotations

import base64
import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.oci.people import REGION, TENANCY, a_key, pem_of, token
from tests.oci.signatures import Gate, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request


def certificate(name: str) -> x509.Certificate:
    """Of the instance whose key has that name."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "ocid1.instance.oc1.iad.x"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"opc-tenant:{TENANCY}"),
        ]
    )
    now, key = datetime.now(UTC), a_key(name)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, SHA256())
    )


@contextlib.contextmanager
def instance_metadata(*, lasts_s: float = 900) -> Iterator[tuple[str, list[str]]]:
    """The base URL of both, and the ids of the keys that asked for tokens."""
    leaf, intermediate = certificate("instance"), certificate("intermediate")
    mark = leaf.fingerprint(SHA1()).hex(":").upper()
    gate = Gate(a_key("issuer").public_key())
    gate.keys[f"{TENANCY}/fed-x509/{mark}"] = a_key("instance").public_key()
    asked: list[str] = []
    served = {
        "instance/region": REGION.encode(),
        "identity/cert.pem": leaf.public_bytes(Encoding.PEM),
        "identity/key.pem": pem_of(a_key("instance")),
        "identity/intermediate.pem": intermediate.public_bytes(Encoding.PEM),
    }

    async def metadata(request: Request) -> Response:
        found = served.get(request.path_params["path"])
        if request.headers.get("authorization") != "Bearer Oracle" or found is None:
            return Response(status_code=404)
        return PlainTextResponse(found)

    async def give(request: Request) -> Response:
        body, headers = await request.body(), dict(request.headers)
        try:
            asked.append(gate.check("POST", "/v1/x509", headers, body, with_host=False))
        except Refused as error:
            return JSONResponse({"code": "NotAuthenticated", "message": str(error)}, 401)
        told = await request.json()
        if base64.b64decode(told["certificate"]) != leaf.public_bytes(Encoding.DER):
            return JSONResponse({"code": "InvalidParameter", "message": "certificate"}, 400)
        holder = load_der_public_key(base64.b64decode(told["publicKey"]))
        return JSONResponse({"token": token(a_key("issuer"), holder, lasts_s=lasts_s)})  # type: ignore[arg-type]

    routes = [Route("/opc/v2/{path:path}", metadata), Route("/v1/x509", give, methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes), host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none"
    )
    server, sock = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}", asked
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
