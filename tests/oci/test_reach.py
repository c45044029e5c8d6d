"""A context of OCI whose address is not one: each way in which nobody answers is told apart."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbfn
from nbfn.deploy.oci.causes import Place
from nbfn.deploy.oci.reach import is_lasting, unreachable
from tests.commands.fnline import fn
from tests.containerize.registries import certificates
from tests.oci.home import use_oracle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.oci.server import Cloud


@pytest.fixture
def home(home: Path, cloud: Cloud) -> Path:
    use_oracle(cloud)
    return home


@contextmanager
def tls(folder: Path) -> Iterator[str]:
    """A server with a certificate that nobody trusts."""
    made = certificates(folder)["http"]["tls"]  # type: ignore[index]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made["certificate"], made["key"])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError), context.wrap_socket(connection, server_side=True) as safe:
                        safe.recv(65536)
                        safe.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def refused(home: Path, url: str, *line: str) -> str:
    nbfn.update_context("api-url", url)
    done = fn(*(line or ("list", "apps")))
    assert (done.code, done.out) == (1, "")
    assert "Traceback" not in done.err
    assert f"{url} (context 'cloud') cannot be reached for ListApp" in done.err
    return done.err


def test_nobody_listens(home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for line in (
            ("list", "apps"),
            ("invoke", "app01", "f"),
            ("create", "f", "app01", "f", "iad.ocir.io/n/f:1"),
        ):
            said = refused(home, url, *line)
            assert "nobody listens there" in said
            assert "`nbfn update context api-url https://functions.us-ashburn-1.oci.oraclecloud.com`" in said


def test_a_host_that_is_not_there(home: Path) -> None:
    said = refused(home, "https://functions.us-ashbrun-1.invalid")
    assert "no such host is known" in said
    assert "without api-url the profile's region decides" in said


def test_it_speaks_no_tls(home: Path, cloud: Cloud) -> None:
    said = refused(home, cloud.store.endpoint.replace("http:", "https:"))
    assert "it does not speak TLS as OCI does" in said
    assert "begins with http://" in said


def test_a_certificate_that_is_not_trusted(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    with tls(folder) as url:
        said = refused(home, url)
        assert "its certificate is not trusted" in said
        assert "CERTIFICATE_VERIFY_FAILED" in said
        assert "`nbfn update context oracle.disable-certs true`" in said
        nbfn.update_context("oracle.disable-certs", "true")
        assert fn("list", "apps").err == "No apps found\n"


def test_the_address_of_another_region_is_signed_for_that_one(home: Path) -> None:
    nbfn.update_context("api-url", "https://functions.eu-frankfurt-1.oci.oraclecloud.com")
    nbfn.update_context("registry", "iad.ocir.io/ns/team")
    done = fn("create", "f", "app01", "f", "iad.ocir.io/ns/team/f:1")
    assert done.code == 1
    assert "the image is in the registry of us-ashburn-1, and the function goes to eu-frankfurt-1" in done.err


@given(
    st.sampled_from(
        [
            (ssl.SSLCertVerificationError(1, "no"), True),
            (ssl.SSLError(1, "wrong version number"), True),
            (socket.gaierror(-2, "Name or service not known"), True),
            (ConnectionRefusedError(111, "refused"), True),
            (ConnectionResetError(104, "reset"), False),
            (TimeoutError("timed out"), False),
        ]
    ),
    st.integers(0, 4),
    st.booleans(),
)
def test_the_cause_is_found_however_deep(of: tuple[Exception, bool], depth: int, by_context: bool) -> None:
    cause, lasting = of
    error: BaseException = cause
    for _ in range(depth):
        outer = RuntimeError("wrapped")
        outer.__context__, outer.__cause__ = (error, None) if by_context else (None, error)
        error = outer
    failed = httpx.ConnectError(str(cause))
    failed.__cause__ = error
    assert is_lasting(failed) is lasting
    said = unreachable(failed, "https://host", "ListApp", Place(context="c"), sent=False)
    assert said.message.startswith("https://host (context 'c') cannot be reached for ListApp: ")
    assert said.hint
    assert "may have been done" in unreachable(failed, "https://host", "ListApp", Place(), sent=True).hint
