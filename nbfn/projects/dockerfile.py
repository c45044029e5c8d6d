"""The Dockerfile of a folder that has none: what the Fn CLI writes for its runtime. Pure.

Two stages: ``build_image`` has the tools and makes what the function needs, ``run_image`` runs it. Both, and
what starts the function, are ``func.yaml``'s; what it leaves out is the runtime's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nbfn.errors import BadInput
from nbfn.projects.boilerplate import RUNTIMES, find

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nbfn.projects.funcfile import FuncFile

    Stages = Callable[[Collection[str], Mapping[str, str]], tuple[list[str], list[str]]]


_FNS = "fnproject/"


def generate(
    function: FuncFile, present: Collection[str], environ: Mapping[str, str], fn_images: str = ""
) -> str:
    """The text for ``function``, whose folder has the files and folders ``present`` at its top.

    ``fn_images`` stands for ``fnproject`` in the names of images, if it is not empty.

    Raises:
        BadInput: the runtime is not known, or a file that it needs is not there.
    """
    known = find(function.runtime)
    language = next((each for each in RUNTIMES if function.runtime.startswith(each)), "")
    if not language:
        raise BadInput(
            f"{function.name!r} is in {function.runtime or 'no runtime that func.yaml names'}",
            hint=f"write a Dockerfile, or use one of these runtimes: {', '.join(RUNTIMES)}",
        )
    needed, stages = _LANGUAGES[language]
    if needed and needed not in present:
        raise BadInput(
            f"{function.folder} has no {needed}, which runtime {function.runtime} needs",
            hint=f"`nbfn init --runtime {language}` writes one",
        )
    build_image = from_mirror(function.build_image or (known.build_image if known else ""), fn_images)
    run_image = from_mirror(function.run_image or (known.run_image if known else ""), fn_images)
    if not (build_image and run_image):
        raise BadInput(
            f"{function.where('runtime')}: the images of {function.runtime} are not known",
            hint="name them: build_image and run_image",
        )
    entrypoint, cmd = function.entrypoint, function.cmd
    if not (entrypoint or cmd) and known:
        entrypoint, cmd = known.entrypoint, known.cmd
    built, copied = stages(present, environ)
    lines = [f"FROM {build_image} as build-stage", "WORKDIR /function", *built]
    lines += [f"FROM {run_image}", "WORKDIR /function", *copied]
    lines += [f"ENTRYPOINT [{_words(entrypoint)}]"] if entrypoint else []
    lines += [f"CMD [{_words(cmd)}]"] if cmd else []
    return "\n".join(lines) + "\n"


def from_mirror(image: str, mirror: str) -> str:
    """``image``, but one of Fn's own as ``mirror`` has it, where Docker Hub is not to be reached.

    ``func.yaml`` goes on naming Fn's: it is for everybody, a mirror is one network's.
    """
    name = image.removeprefix("docker.io/")
    return f"{mirror}/{name.removeprefix(_FNS)}" if mirror and name.startswith(_FNS) else image


def _words(text: str) -> str:
    return ", ".join(f'"{word}"' for word in text.split())


_PIP = "pip3 install --target /python/ --no-cache --no-cache-dir -r requirements.txt"
_TIDY = "rm -fr ~/.cache/pip /tmp/* requirements.txt func.yaml Dockerfile .venv"


def _python(present: Collection[str], _: Mapping[str, str]) -> tuple[list[str], list[str]]:
    build = ["ADD . /function/", "RUN mkdir -p /python"]
    if "requirements.txt" in present:
        build = [
            "ADD requirements.txt /function/",
            f"RUN {_PIP} && {_TIDY} && chmod -R o+r /python",
            "ADD . /function/",
            "RUN rm -fr /function/.pip_cache",
        ]
    copy = [
        "COPY --from=build-stage /python /python",
        "COPY --from=build-stage /function /function",
        "RUN chmod -R o+r /function",
        "ENV PYTHONPATH=/function:/python",
    ]
    return build, copy


def _go(present: Collection[str], _: Mapping[str, str]) -> tuple[list[str], list[str]]:
    vendored = "vendor" in present
    build = ["WORKDIR /go/src/func/", "ENV GO111MODULE=on"]
    build += ['ENV GOFLAGS="-mod=vendor"'] if vendored else []
    build += ["COPY . ."]
    build += [] if vendored else ["RUN go mod tidy"]
    build += ["RUN go build -o func"]
    return build, ["COPY --from=build-stage /go/src/func/func /function/"]


def _node(present: Collection[str], _: Mapping[str, str]) -> tuple[list[str], list[str]]:
    build, copy = [], ["ADD . /function/"]
    if "package.json" in present and "node_modules" not in present:
        build = ["ADD package-lock.json /function/"] if "package-lock.json" in present else []
        build += ["ADD package.json /function/", "RUN npm install"]
        copy += ["COPY --from=build-stage /function/node_modules/ /function/node_modules/"]
    return build, [*copy, "RUN chmod -R o+r /function"]


def _java(_: Collection[str], environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    first = '"mvn", "package", "dependency:copy-dependencies", "-DincludeScope=runtime"'
    first += ', "-DskipTests=true", "-Dmdep.prependGroupId=true", "-DoutputDirectory=target", "--fail-never"'
    build = [
        f"ENV MAVEN_OPTS {_maven_options(environ)}",
        "ADD pom.xml /function/pom.xml",
        f"RUN [{first}]",
        "ADD src /function/src",
        'RUN ["mvn", "package"]',
    ]
    return build, ["COPY --from=build-stage /function/target/*.jar /function/app/"]


def _maven_options(environ: Mapping[str, str]) -> str:
    """Maven reads no proxy from the environment."""
    options = []
    for scheme in ("http", "https"):
        proxy = urlsplit(environ.get(f"{scheme}_proxy", ""))
        if proxy.hostname:
            options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port or 80}"]
    if options and environ.get("no_proxy"):
        options.append(f"-Dhttp.nonProxyHosts={environ['no_proxy'].replace(',', '|')}")
    return " ".join((*options, "-Dmaven.repo.local=/usr/share/maven/ref/repository"))


# Of each runtime: the file without which nothing can be built, if there is one, and what its two stages do.
_LANGUAGES: Mapping[str, tuple[str, Stages]] = {
    "go": ("go.mod", _go),
    "java": ("pom.xml", _java),
    "node": ("", _node),
    "python": ("", _python),
}
