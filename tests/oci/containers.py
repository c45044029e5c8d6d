"""An image that is not nbfn's own, run by its own entry point in a container, as OCI's hosts do."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.runtime.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbfn.containerize.registry import Reference

_INSIDE = "/tmp/iofs"


def run(name: Reference, digest: str, folder: Path, told: Mapping[str, str]) -> Instance:
    """A container of the image, its socket in ``folder/io``. Raises CalledProcessError without an image."""
    image = f"{name.host}/{name.repository}@{digest}"
    subprocess.run(["docker", "pull", "-q", image], check=True, capture_output=True)
    (folder / "io").chmod(0o777)
    env = {**told, "FN_LISTENER": f"unix:{_INSIDE}/lsnr.sock"}
    (folder / "env").write_text("".join(f"{key}={value}\n" for key, value in env.items()))
    output = folder / "output"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [
                *("docker", "run", "--rm", "--name", folder.name, "--label", "nbfn-test=oci"),
                *("--user", "1000:1000", "--cap-drop", "all", "--read-only", "--tmpfs", "/tmp"),
                *("--env-file", str(folder / "env"), "--volume", f"{folder}/io:{_INSIDE}", image),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Container(folder, process, output, image=image)


class Container(Instance):
    """An instance whose process is Docker's client."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], output: Path, *, image: str) -> None:
        super().__init__(folder, process, output)
        self.image = image

    def end(self) -> None:
        """Remove the container and the name of the image that was pulled."""
        for words in (["rm", "-f", self.folder.name], ["rmi", self.image]):
            subprocess.run(["docker", *words], check=False, capture_output=True)
        self.process.wait()
