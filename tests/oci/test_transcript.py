"""Oracle's tutorial, line by line in a real kernel: against this machine's executor, and against OCI."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize.registry import Access, Reference, Repository
from nbfn.projects.boilerplate import find
from tests.containerize.registries import running
from tests.notebook.conftest import private, run_cells
from tests.notebook.test_fn_line import shown
from tests.oci.home import SUBNETS, make_base
from tests.oci.people import COMPARTMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import nbformat

    from tests.oci.server import Cloud

__all__ = ["private", "run_cells"]  # fixtures

_DOCKER = pytest.mark.needs("docker", "toolchains", "root")
RUNTIMES = ["python", pytest.param("go", marks=_DOCKER), pytest.param("node", marks=_DOCKER)]
# No test can fetch Fn's own images: this is a mirror of them, which has those of this machine by their names.
MIRROR = "nbfn-test/mirror"
STAND_INS = {"go": ("go-dev", "base"), "node": ("node", "node")}
STEPS = {"go": "RUN go build -o func", "node": "RUN npm install"}

LOCAL = ["%fn use context default", "%fn update context registry fndemouser", "%fn create app app01"]


def oracle(cloud: Cloud, registry: str) -> list[str]:
    return [
        "%fn create context tutorial --provider oracle",
        "%fn use context tutorial",
        f"%fn update context oracle.compartment-id {COMPARTMENT}",
        f"%fn update context api-url {cloud.store.endpoint}",
        f"%fn update context registry {registry}",
        f"%fn create app app01 --annotation '{SUBNETS}'",
    ]


@pytest.fixture
def mirror(runtime: str) -> Iterator[None]:
    """What ``init`` names for the runtime is in the daemon, in the mirror."""
    known = find(runtime)
    assert known is not None
    named = {
        name.replace("fnproject", MIRROR): f"nbfn-test/{ours}"
        for name, ours in zip((known.build_image, known.run_image), STAND_INS.get(runtime, ()), strict=False)
    }
    for name, ours in named.items():
        subprocess.run(["docker", "tag", ours, name], check=True)
    yield
    if named:
        subprocess.run(["docker", "rmi", *named], check=True, capture_output=True)


def begun(home: Path, **variables: str) -> str:
    """The first cell: at home there, with nothing of whoever runs the tests."""
    told = {"HOME": str(home), **variables}
    gone = [name for name in os.environ if name.startswith(("FN_", "OCI_"))]
    return (
        f"import os\nos.environ.update({told!r})\nfor each in {gone!r}:\n    os.environ.pop(each, None)\n"
        f"%cd -q {home}\n%load_ext nbfn"
    )


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("where", ["local", "oracle"])
def test_the_tutorial(
    where: str,
    runtime: str,
    mirror: None,
    cloud: Cloud,
    run_cells: Callable[..., nbformat.NotebookNode],
    tmp_path: Path,
) -> None:
    cloud.person().write(tmp_path / ".oci")
    with running(tmp_path / "registry") as registry:
        prefix = f"{registry.host}/ns/team"
        lines = [
            "%fn list contexts",
            *(oracle(cloud, prefix) if where == "oracle" else LOCAL),
            f"%fn init --runtime {runtime} hello-func",
            "%cd -q hello-func",
            "%fn deploy --app app01",
            "%fn list app",
            "%fn list f app01",
            "%fn invoke app01 hello-func",
            '%%fn invoke app01 hello-func\n{"name": "Bob"}',
            "%fn invoke --fn-invoke-type detached app01 hello-func",
            "%fn update f app01 hello-func --memory 512",
            "%fn inspect f app01 hello-func memory",
            "%fn delete f app01 hello-func",
            "%fn delete app app01",
            "%fn list apps",
        ]
        first = begun(tmp_path, NBFN_BASE=make_base(tmp_path / "base"), NBFN_FN_IMAGES=MIRROR)
        made = run_cells(first, *lines)
        if runtime != "python":  # what Docker has built it keeps, under the registry's name
            built = f"{prefix if where == 'oracle' else 'fndemouser'}/hello-func:0.0.2"
            subprocess.run(["docker", "rmi", built], check=True, capture_output=True)
        told = {cell.source: "".join(map(shown, cell.outputs)) for cell in made.cells}
        if where == "oracle":
            assert told["%fn use context tutorial"] == "Now using context: tutorial\n"
            with Repository(Reference.parse(f"{prefix}/hello-func"), Access()) as repository:
                assert repository.manifest_digest("0.0.2") is not None
    assert "func.yaml created." in told[f"%fn init --runtime {runtime} hello-func"]
    deployed = told["%fn deploy --app app01"]
    image = f"{prefix}/hello-func" if where == "oracle" else "nbfn.local/app01/hello-func"
    assert deployed.startswith("Deploying hello-func to app: app01\n")
    assert f"Updating function hello-func using image {image}:0.0.2..." in deployed
    assert deployed.endswith("Bumped to version 0.0.2\n")
    assert STEPS.get(runtime, "") in deployed
    assert (f"FROM {MIRROR}/{runtime}:" in deployed) == (runtime in STEPS)
    assert f"build_image: fnproject/{runtime}:" in (tmp_path / "hello-func" / "func.yaml").read_text()
    assert ("Pushing the image" in deployed) == (where == "oracle")
    assert told["%fn list app"].split("\n")[1].startswith("app01")
    assert f"{image}:0.0.2" in told["%fn list f app01"]
    assert json.loads(told["%fn invoke app01 hello-func"]) == {"message": "Hello World"}
    assert json.loads(told['%%fn invoke app01 hello-func\n{"name": "Bob"}']) == {"message": "Hello Bob"}
    assert told["%fn invoke --fn-invoke-type detached app01 hello-func"].startswith("Call ID: ")
    assert told["%fn inspect f app01 hello-func memory"] == "512"
    assert told["%fn delete app app01"] == "App app01 deleted\n"
    assert told["%fn list apps"] == "No apps found\n"
    assert cloud.refused == []


CELL = """%%fn_deploy --memory 128 --app app01
def greet(name):
    print("called for", name)
    if not name:
        raise ValueError("nobody")
    return f"hello {name}"
"""


@pytest.mark.needs("docker-registry")
def test_a_cell_goes_to_oci_and_back(
    cloud: Cloud, run_cells: Callable[..., nbformat.NotebookNode], tmp_path: Path
) -> None:
    cloud.person().write(tmp_path / ".oci")
    with running(tmp_path / "registry") as registry:
        made = run_cells(
            begun(tmp_path, NBFN_BASE=make_base(tmp_path / "base")),
            *oracle(cloud, f"{registry.host}/ns"),
            CELL,
            "greet('Ana')",
            "print(greet.last.start, repr(greet.last.output), greet.image)",
            "greet('')",
            "%fn_list app01",
            CELL.replace("128", "300"),
            "%fn use context default",
            CELL + "\n",
            "greet('Cy')",
            "%fn use context tutorial",
            "greet('Bo')",
            allow_errors=True,
        )
    cells = made.cells[7:]
    assert "Pushing the image" in "".join(map(shown, cells[0].outputs))
    assert cells[1].outputs[-1].data["text/plain"] == "'hello Ana'"
    assert shown(cells[2].outputs[0]).startswith(f"cold 'called for Ana\\n' {registry.host}/ns/greet:")
    assert (cells[3].outputs[-1].ename, cells[3].outputs[-1].evalue) == ("ValueError", "nobody")
    assert "line 5" in "\n".join(cells[3].outputs[-1].traceback)
    assert "app01  greet  128 MB" in shown(cells[4].outputs[0])
    assert cells[5].outputs[-1].ename == "LimitError"
    assert cells[8].outputs[-1].data["text/plain"] == "'hello Cy'"
    assert cells[10].outputs[-1].data["text/plain"] == "'hello Bo'"
    invoked = [seen for seen in cloud.requests if seen.path.endswith("/invoke")]
    assert len(invoked) == 3, "one of the four calls was at home"
