"""Functions of the test server really run: an image by its entry point, an archive by Fn's own FDK.

An image of nbfn's own is run here by this Python, for speed; any other in a container.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from nbfn.containerize import Layout, unpack
from nbfn.containerize.registry import Access, Reference, pull
from nbfn.containerize.registry.reference import is_local
from nbfn.errors import ImageError
from tests.oci import containers
from tests.oci.parts import FDK
from tests.oci.store import Problem
from tests.runtime.instance import Instance, read_reply, request, wait_for_link

if TYPE_CHECKING:
    from nbfn.containerize import Image
    from tests.oci.store import Thing
    from tests.runtime.instance import Reply

_RUNTIME = [sys.executable, "-S", "-B", "-m", "nbfn_runtime"]
_INIT_FAILED = "Container failed to initialize, please ensure you are using the latest fdk and check the logs"


@dataclass
class Fleet:
    """One instance per revision of a function."""

    layouts: list[Path] = field(default_factory=list)
    """Where images are found by digest: the registry."""
    _running: dict[str, Instance] = field(default_factory=dict)
    _read: dict[Path, int] = field(default_factory=dict)
    _locks: dict[str, Lock] = field(default_factory=dict)

    def call(self, app: Thing, fn: Thing, body: bytes, headers: dict[str, str]) -> Reply:
        """Raises Problem, as OCI words it, if there is no answer of the function's own."""
        key = f"{fn.document['id']}-{fn.etag}"
        with self._locks.setdefault(key, Lock()):
            instance = self._running.get(key) or self._start(key, app, fn)
            sock = instance.dial()
            sock.settimeout(fn.document["timeoutInSeconds"])
            told = {k.replace("-", "_"): v for k, v in headers.items()}
            try:
                with sock:
                    sock.sendall(request(body, told.pop("content_type", ""), **told))
                    reply = read_reply(sock)
            except TimeoutError:
                self._drop(key)
                raise Problem(504, "FunctionInvokeTimeout", "Timed out") from None
            except (OSError, ValueError, EOFError) as error:
                self._drop(key)
                raise Problem(
                    502, "FunctionInvokeExecutionError", "error receiving function response"
                ) from error
            except Exception as error:  # http.client's, which have no common name
                self._drop(key)
                raise Problem(502, "FunctionInvokeInvalidResponse", "invalid function response") from error
        if reply.status == 504:
            raise Problem(504, "FunctionInvokeTimeout", "Timed out")
        if reply.status != 200:
            raise Problem(502, "FunctionInvokeExecutionFailed", "function failed")
        return reply

    def written(self, fn: Thing) -> list[str]:
        """The lines that the function has written since they were asked for last."""
        instance = self._running[f"{fn.document['id']}-{fn.etag}"]
        text = instance.output.read_text(errors="replace")
        begun = self._read.get(instance.folder, 0)
        self._read[instance.folder] = len(text)
        return text[begun:].splitlines()

    def close(self) -> None:
        for key in list(self._running):
            self._drop(key)

    def _drop(self, key: str) -> None:
        instance = self._running.pop(key)
        if isinstance(instance, containers.Container):
            instance.end()
        else:
            instance.process.kill()
            instance.process.wait()
        shutil.rmtree(instance.folder, ignore_errors=True)

    def _start(self, key: str, app: Thing, fn: Thing) -> Instance:
        folder = Path(tempfile.mkdtemp(prefix="oci-"))
        (folder / "io").mkdir()
        told = _told(app, fn)
        if fn.document["sourceDetails"]["sourceType"] == "ARCHIVE":
            instance = _begin(*_archived(fn, folder), folder, told)
        else:
            image = self._image(fn, folder)
            if "nbfn_runtime" in image.config["config"]["Entrypoint"]:
                instance = _begin(_RUNTIME, unpack(image, folder / "layers"), folder, told)
            else:
                name = Reference.parse(fn.document["sourceDetails"]["image"])
                instance = containers.run(name, image.digest, folder, told)
        self._running[key] = instance
        try:
            wait_for_link(instance)
        except AssertionError as error:
            self._drop(key)
            raise Problem(502, "FunctionInvokeContainerInitFail", _INIT_FAILED) from error
        return instance

    def _image(self, fn: Thing, folder: Path) -> Image:
        details = fn.document["sourceDetails"]
        digest = details.get("imageDigest", "")
        name = Reference.parse(details["image"])
        if is_local(name.host):  # a registry that is there: by tag, as OCI pulls
            try:
                image = pull(name, Layout(folder / "pulled"), Access())
            except ImageError as error:
                raise _not_available() from error
            assert image.digest == digest, "the tag is another image than the function was made of"
            return image
        for path in self.layouts:
            with contextlib.suppress(ImageError):
                return Layout(path).get(f"nbfn.local/x@{digest}")
        raise _not_available()


def _told(app: Thing, fn: Thing) -> dict[str, str]:
    """The variables that OCI gives a function."""
    document = fn.document
    return {
            "FN_FN_ID": document["id"], "FN_FN_NAME": document["displayName"],
            "FN_APP_ID": document["applicationId"], "FN_APP_NAME": app.document["displayName"],
            "FN_MEMORY": str(document["memoryInMBs"]), "FN_TYPE": "sync", "FN_FORMAT": "http-stream",
            "OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "OCI_TRACING_ENABLED": "0",
            **app.document["config"], **document["config"],
        }  # fmt: skip


def _begin(command: list[str], roots: list[Path], folder: Path, told: dict[str, str]) -> Instance:
    """A process over the unpacked files ``roots``."""
    parts = ("opt/nbfn", "function", "python")
    found = [root / part for root in roots for part in parts if (root / part).is_dir()]
    env = {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, found)),
        "NBFN_FUNCTION_DIR": str(next(path for path in found if path.name == "function")),
        "FN_LISTENER": f"unix:{folder}/io/lsnr.sock",
        **told,
    }
    output = folder / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    return Instance(folder, process, output)


def _not_available() -> Problem:
    return Problem(502, "FunctionInvokeImageNotAvailable", "Failed to pull function image")


def _archived(fn: Thing, folder: Path) -> tuple[list[str], list[Path]]:
    root = folder / "code"
    with zipfile.ZipFile(io.BytesIO(fn.archive)) as archive:
        archive.extractall(root)
    module, _, name = fn.document["sourceDetails"]["handler"].partition(".")
    return [str(FDK), str(root / "function" / f"{module}.py"), name], [root]
