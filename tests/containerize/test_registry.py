"""Images to a real registry and back: auth, TLS, lists of platforms, and lines that break."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from nbfn import config
from nbfn.containerize import Image, Layer, Layout, build, publish, validate
from nbfn.containerize.compress import compressed
from nbfn.containerize.image import (
    DOCKER_LAYER_GZIP_TYPE,
    DOCKER_MANIFEST_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    digest_of,
    encode,
)
from nbfn.containerize.registry import Access, Ahead, Reference, Repository, pull, push
from nbfn.errors import ImageError, LoginFailed, RegistryError, StateError
from tests.containerize.conftest import make_capture, make_spec
from tests.containerize.registries import PASSWORD, USER, bad_line, certificates, htpasswd, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.containerize.registries import BadLine, Registry

pytestmark = pytest.mark.needs("docker-registry")

ANYBODY = Access()


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    """An empty layout."""
    return Layout(tmp_path / "other")


@pytest.fixture
def line(registry: Registry) -> Iterator[BadLine]:
    with bad_line(registry) as found:
        yield found


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    return "test/" + digest_of(request.node.nodeid.encode())[7:27]


def access(folder: Path, host: str, user: str = USER, password: str = PASSWORD, **kept: object) -> Access:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return Access(docker_config=folder, **kept)  # type: ignore[arg-type]


def large_image(folder: Path, size: int) -> Image:
    """An image of one layer of ``size`` bytes, or a few less, that no gzip would make smaller."""
    head = tarfile.TarInfo("large")
    head.size = max(size // 512 - 1, 1) * 512
    data = head.tobuf() + os.urandom(head.size)
    folder.mkdir(exist_ok=True)
    path = folder / digest_of(data)[7:]
    path.write_bytes(data)
    layer = Layer(Descriptor(LAYER_TYPE, digest_of(data), len(data)), digest_of(data), path)
    return Image.empty({"os": "linux", "architecture": "amd64"}).append(layer, created_by="a test")


def blobs(registry: Registry, digest: str) -> list[Path]:
    return list((registry.folder / "data").rglob(f"{digest[7:]}/data"))


def test_what_is_pushed_is_what_is_pulled(registry: Registry, built: Image, other: Layout, name: str) -> None:
    ref = Reference.parse(f"{registry.host}/{name}:1.0")
    told: list[tuple[str, int, int]] = []
    pushed = push(built, ref, ANYBODY, progress=lambda *step: told.append(step))
    assert pushed.digest == built.digest
    total = sum(layer.descriptor.size for layer in built.layers)
    assert told[-1] == ("push", total, total)
    told.clear()
    pulled = pull(ref, other, ANYBODY, progress=lambda *step: told.append(step))
    assert (pulled.digest, pulled.manifest_bytes) == (built.digest, built.manifest_bytes)
    assert validate(pulled) == []
    assert told[-1] == ("pull", total, total)
    assert [step[1] for step in told] == sorted(step[1] for step in told)
    assert other.refs() == {f"{registry.host}/{name}:1.0": built.digest}
    by_digest = pull(ref.pinned(built.digest), other, ANYBODY)
    assert by_digest.digest == built.digest
    with Repository(ref, ANYBODY) as repository:
        assert repository.tags() == ["1.0"]
        assert repository.manifest_digest("1.0") == built.digest
        assert repository.manifest_digest("2.0") is None


@pytest.mark.needs("skopeo")
def test_skopeo_pulls_the_same_digest_and_we_what_it_pushes(
    registry: Registry, built: Image, layout: Layout, other: Layout, name: str, tmp_path: Path
) -> None:
    zipped = compressed(built, layout)
    assert zipped.digest != built.digest
    assert compressed(built, layout).digest == zipped.digest
    assert validate(zipped) == []
    ref = f"{registry.host}/{name}:1.0"
    for image in (built, zipped):
        assert push(image, Reference.parse(ref), ANYBODY).digest == image.digest
        target = tmp_path / image.digest[7:17]
        copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{ref}", f"dir:{target}"]
        subprocess.run(copy, check=True)
        assert digest_of((target / "manifest.json").read_bytes()) == image.digest
    back = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"dir:{target}", f"docker://{ref}-back"]
    subprocess.run(back, check=True)
    assert pull(Reference.parse(f"{ref}-back"), other, ANYBODY).digest == zipped.digest


def test_only_what_is_missing_is_sent(
    line: BadLine, built: Image, layout: Layout, other: Layout, name: str
) -> None:
    push(built, Reference.parse(f"{line.host}/{name}:1"), ANYBODY)
    line.log.clear()
    push(built, Reference.parse(f"{line.host}/{name}:2"), ANYBODY)
    assert [path for method, path in line.log if method in ("POST", "PATCH", "PUT")] == [
        f"/v2/{name}/manifests/2"
    ]
    line.log.clear()
    push(built, Reference.parse(f"{line.host}/{name}-copy:1"), ANYBODY, mount_from=(name,))
    sent = [path for method, path in line.log if method == "POST" and "mount=" not in path]
    assert len(sent) == 1  # the config, which is smaller than the question
    assert not [method for method, _ in line.log if method == "PATCH"]
    pull(Reference.parse(f"{line.host}/{name}:1"), other, ANYBODY)
    line.log.clear()
    pull(Reference.parse(f"{line.host}/{name}:2"), other, ANYBODY)
    assert not [path for _, path in line.log if "/blobs/" in path]


def test_what_a_repository_is_known_to_have_is_not_asked_for(
    line: BadLine, layout: Layout, name: str, tmp_path: Path
) -> None:
    ref, memory = Reference.parse(f"{line.host}/{name}:1"), tmp_path / "memory"

    def push_version(number: int) -> Image:
        capture = make_capture(f"def greet(name):\n    return name * {number}\n")
        image = layout.get(build(make_spec(), capture, layout).image)
        line.log.clear()
        assert push(image, ref, ANYBODY, memory=memory).digest == image.digest
        return image

    push_version(1)
    image = push_version(2)
    methods = [method for method, _ in line.log]
    assert (sorted(methods[:4]), methods[4:]) == (["POST", "POST", "PUT", "PUT"], ["PUT"])
    line.log.clear()
    push(image, ref, ANYBODY, memory=memory)
    assert [method for method, _ in line.log] == ["HEAD"]


def test_uploads_are_begun_while_the_changed_line_is_compressed(
    line: BadLine, layout: Layout, name: str, state: Path
) -> None:
    """``publish`` sends what ``push`` sends; what was begun in vain is ended."""
    where = f"{line.host}/{name}:1"

    def publish_version(number: int) -> Image:
        capture = make_capture(f"def greet(name):\n    return name * {number}\n")
        built = build(make_spec(), capture, layout).image
        line.log.clear()
        return layout.get(publish(built, where, layout, settings=config.load({"NBFN_STATE": str(state)})))

    publish_version(1)
    there = publish_version(2)
    methods = [method for method, _ in line.log]
    assert (sorted(methods[:4]), methods[4:]) == (["POST", "POST", "PUT", "PUT"], ["PUT"])
    assert validate(there) == []
    assert pull(Reference.parse(where), Layout(state / "other"), ANYBODY).digest == there.digest
    assert publish_version(2).digest == there.digest
    assert [method for method, _ in line.log] == ["HEAD"]

    with Ahead(Reference.parse(where), ANYBODY, layout.path / ".nbfn/registries") as ahead:
        line.log.clear()
        ahead.expect(2)
        assert "/blobs/uploads/" in ahead.location()
    assert sorted(method for method, _ in line.log) == ["DELETE", "POST", "POST"]


@pytest.mark.needs("openssl")
def test_a_registry_that_has_changed_its_ways_since(
    tmp_path: Path, layout: Layout, built: Image, other: Layout
) -> None:
    """At the same address it asks for a login now, then speaks TLS, and then is as it was."""
    memory, trusting = tmp_path / "memory", access(tmp_path / "docker", "", ca=tmp_path / "ca.pem")
    options = htpasswd(tmp_path)
    with running(tmp_path / "registry") as registry:
        ref = Reference.parse(f"{registry.host}/a/b:1")
        push(built, ref, ANYBODY, memory=memory)

        def changed(number: int, options: dict[str, object], how: Access) -> None:
            registry.stop()
            registry.options = options
            registry.start()
            capture = make_capture(f"def greet(name):\n    return name * {number}\n")
            image = layout.get(build(make_spec(), capture, layout).image)
            for _ in range(2):
                assert push(image, ref, how, memory=memory).digest == image.digest
            assert pull(ref, other, how).digest == image.digest

        changed(1, options, access(tmp_path / "docker", registry.host))
        changed(2, {}, ANYBODY)
        changed(3, certificates(tmp_path), trusting)
        changed(4, {}, ANYBODY)
        registry.stop()
        for _ in range(2):
            with pytest.raises(RegistryError, match=r"cannot be reached|connection to .* broke"):
                push(built, ref, ANYBODY, memory=memory)


def test_a_repository_that_dropped_what_it_was_known_to_have(
    registry: Registry, built: Image, other: Layout, name: str, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    push(built, Reference.parse(f"{registry.host}/{name}:1"), ANYBODY, memory=memory)
    shutil.rmtree(registry.folder / "data/docker/registry/v2/repositories" / name)
    for _ in range(2):
        again = Reference.parse(f"{registry.host}/{name}:2")
        assert push(built, again, ANYBODY, memory=memory).digest == built.digest
    assert pull(again, other, ANYBODY).digest == built.digest


def test_a_memory_that_cannot_be_read_or_written_costs_only_time(
    registry: Registry, built: Image, name: str, tmp_path: Path
) -> None:
    ref, memory = Reference.parse(f"{registry.host}/{name}:1"), tmp_path / "memory"
    push(built, ref, ANYBODY, memory=memory)
    for note in memory.iterdir():
        note.write_text('{"not": "a list"}')
    push(built, ref, ANYBODY, memory=memory)
    (tmp_path / "file").write_text("")
    assert push(built, ref, ANYBODY, memory=tmp_path / "file").digest == built.digest


def test_a_blob_that_cannot_be_mounted_is_sent(registry: Registry, built: Image, name: str) -> None:
    ref = Reference.parse(f"{registry.host}/{name}:1")
    assert push(built, ref, ANYBODY, mount_from=(f"{name}/nowhere",)).digest == built.digest


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
@pytest.mark.parametrize("tokens", [False, True])
def test_a_mount_that_is_refused_is_an_upload(
    line: BadLine, built: Image, other: Layout, name: str, status: int, tokens: bool
) -> None:
    ref = Reference.parse(f"{line.host}/{name}:1")
    line.tokens = tokens
    line.status["POST mount="] = status
    assert push(built, ref, ANYBODY, mount_from=("team/base",)).digest == built.digest
    asked = [path for method, path in line.log if method == "POST" and "mount=" in path]
    assert len(asked) == (2 if tokens and status == 401 else 1), "each layer asked again"
    assert pull(ref, other, ANYBODY).digest == built.digest


def test_a_token_that_is_refused_for_a_mount_is_an_upload(
    line: BadLine, built: Image, other: Layout, name: str
) -> None:
    ref = Reference.parse(f"{line.host}/{name}:1")
    line.tokens, line.unreadable = True, "team/base"
    line.status["POST mount="] = 401
    assert push(built, ref, ANYBODY, mount_from=("team/base",)).digest == built.digest
    assert pull(ref, other, ANYBODY).digest == built.digest
    with Repository(ref, ANYBODY, push=True) as repository:
        assert not repository.mount(built.layers[0].descriptor.digest, "team/base")
        line.issued.clear()
        assert repository.has_blob(built.layers[0].descriptor), "the next token was refused too"
        line.status["POST mount="] = 500
        with pytest.raises(RegistryError, match="500"):
            repository.mount(built.layers[0].descriptor.digest, "else/where")


def test_htpasswd(tmp_path: Path, built: Image, other: Layout) -> None:
    with running(tmp_path / "registry", **htpasswd(tmp_path)) as registry:
        ref = Reference.parse(f"{registry.host}/a/b:1")
        with pytest.raises(LoginFailed, match="401") as caught:
            push(built, ref, ANYBODY)
        assert (
            caught.value.hint == f"no login for it is known: docker login {registry.host} (or podman login)"
        )
        with pytest.raises(LoginFailed) as caught:
            push(built, ref, access(tmp_path / "docker", registry.host, password="wrong-one"))
        assert "'tenancy/ana'" in str(caught.value)
        assert "wrong-one" not in str(caught.value)
        good = access(tmp_path / "docker", registry.host)
        assert push(built, ref, good).digest == built.digest
        assert pull(ref, other, good).digest == built.digest


@pytest.mark.needs("podman")
def test_a_login_of_podman_s(tmp_path: Path, built: Image, other: Layout) -> None:
    with running(tmp_path / "registry", **htpasswd(tmp_path)) as registry:
        ref, file = Reference.parse(f"{registry.host}/a/b:1"), tmp_path / "auth.json"
        said = {"DOCKER_CONFIG": str(tmp_path / "docker"), "REGISTRY_AUTH_FILE": str(file)}
        known = Access.of(config.load({"NBFN_STATE": str(tmp_path), **said}))
        with pytest.raises(LoginFailed, match="401"):
            push(built, ref, known)
        login = ["podman", "login", "--authfile", file, "--tls-verify=false", "-u", USER, "-p", PASSWORD]
        subprocess.run([*login, registry.host], check=True, capture_output=True)
        assert push(built, ref, known).digest == built.digest
        assert pull(ref, other, known).digest == built.digest


@pytest.mark.needs("openssl")
def test_tls_with_an_authority_of_its_own(tmp_path: Path, built: Image, other: Layout) -> None:
    with running(tmp_path / "registry", **certificates(tmp_path)) as registry:
        ref = Reference.parse(f"{registry.host}/a/b:1")
        with pytest.raises(LoginFailed, match="not trusted") as caught:
            push(built, ref, ANYBODY)
        assert "NBFN_REGISTRY_CA" in caught.value.hint
        trusting = Access(ca=tmp_path / "ca.pem")
        assert push(built, ref, trusting).digest == built.digest
        assert pull(ref, other, trusting).digest == built.digest
        (tmp_path / "not.pem").write_text("nothing")
        with pytest.raises(RegistryError, match=r"not\.pem"):
            pull(ref, other, Access(ca=tmp_path / "not.pem"))


def test_bearer_tokens_are_asked_for_and_renewed(
    line: BadLine, built: Image, other: Layout, name: str, tmp_path: Path
) -> None:
    line.tokens, line.uses = True, 3  # so that they expire in the middle of everything
    known = access(tmp_path / "docker", line.host)
    ref = Reference.parse(f"{line.host}/{name}:1")
    assert push(built, ref, known).digest == built.digest
    assert pull(ref, other, known).digest == built.digest
    assert len(line.issued) > 3
    query, _, who = line.asked[0].partition(" ")
    assert "service=test%2C+of+tokens" in query
    assert f"scope=repository%3A{name.replace('/', '%2F')}%3Apull%2Cpush" in query
    assert base64.b64decode(who.removeprefix("Basic ")).decode() == f"{USER}:{PASSWORD}"
    line.uses = 0
    with pytest.raises(LoginFailed, match="UNAUTHORIZED") as caught:
        pull(ref, Layout(tmp_path / "third"), known)
    assert "has expired" in caught.value.hint
    assert "token-" not in str(caught.value)


def test_threads_share_a_token(line: BadLine, name: str, tmp_path: Path) -> None:
    """Those that are refused at once ask for one, and all go on with it."""
    known = access(tmp_path / "docker", line.host)
    with Repository(Reference.parse(f"{line.host}/{name}:1"), known, push=True) as repository:
        repository.connect()
        line.tokens = True
        with ThreadPoolExecutor(4) as threads:
            together = threading.Barrier(4)

            def begin() -> str:
                together.wait()
                return repository.location(repository.request("POST", "blobs/uploads/"))

            places = [thread.result() for thread in [threads.submit(begin) for _ in range(4)]]
    assert len(set(places)) == 4
    assert len(line.asked) == 1


def test_the_image_of_a_list_for_the_platform(
    registry: Registry, built: Image, other: Layout, name: str, tmp_path: Path
) -> None:
    ref = Reference.parse(f"{registry.host}/{name}:1")
    elsewhere = Image.empty({"os": "linux", "architecture": "riscv64"}).append(
        large_image(tmp_path / "blobs", 100).layers[0], created_by="a test"
    )
    entries = []
    for image in (elsewhere, built):
        push(image, ref.pinned(image.digest), ANYBODY)
        platform = {key: image.config[key] for key in ("os", "architecture")}
        descriptor = Descriptor(MANIFEST_TYPE, image.digest, len(image.manifest_bytes)).document()
        entries.append({**descriptor, "platform": platform})
    index = encode({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
    with Repository(ref, ANYBODY, push=True) as repository:
        repository.put_manifest(index, INDEX_TYPE, "1")
    assert pull(ref, other, ANYBODY).digest == built.digest
    found = pull(ref, other, ANYBODY, platform={"os": "linux", "architecture": "riscv64"})
    assert found.digest == elsewhere.digest
    with pytest.raises(ImageError, match="no image for linux/s390x; it is for linux/amd64") as caught:
        pull(ref, other, ANYBODY, platform={"os": "linux", "architecture": "s390x"})
    assert "linux/riscv64" in str(caught.value)


def test_an_image_in_docker_s_own_types_keeps_its_digest(
    registry: Registry, layout: Layout, built: Image, other: Layout, name: str
) -> None:
    zipped = compressed(built, layout)
    document = zipped.manifest
    document["mediaType"] = DOCKER_MANIFEST_TYPE
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for entry in document["layers"]:
        entry["mediaType"] = DOCKER_LAYER_GZIP_TYPE
    docker = Image.read(encode(document), zipped.config_bytes, layout.blob, "it")
    ref = Reference.parse(f"{registry.host}/{name}:1")
    push(docker, ref, ANYBODY)
    pulled = pull(ref, other, ANYBODY)
    assert pulled.digest == docker.digest
    assert validate(pulled) == []
    with pulled.layers[0].tar() as tar:
        assert digest_of(tar.read()) == pulled.layers[0].diff_id


class TestBrokenLines:
    def test_a_pull_goes_on_where_it_broke(
        self, line: BadLine, other: Layout, name: str, tmp_path: Path
    ) -> None:
        image = large_image(tmp_path / "blobs", 300_000)
        ref = Reference.parse(f"{line.host}/{name}:1")
        push(image, ref, ANYBODY)
        digest = image.layers[0].descriptor.digest
        line.truncate[digest] = [100_000, 50_000]
        assert pull(ref, other, ANYBODY).digest == image.digest
        assert len([path for method, path in line.log if method == "GET" and digest in path]) == 3

    def test_another_process_goes_on_too(
        self, line: BadLine, other: Layout, name: str, tmp_path: Path
    ) -> None:
        image = large_image(tmp_path / "blobs", 300_000)
        ref = Reference.parse(f"{line.host}/{name}:1")
        push(image, ref, ANYBODY)
        descriptor = image.layers[0].descriptor
        line.truncate[descriptor.digest] = [120_000, 0]
        with pytest.raises(RegistryError, match="broke while pulling") as caught:
            pull(ref, other, ANYBODY)
        assert "goes on from there" in caught.value.hint
        assert other.refs() == {}
        assert not other.has(descriptor.digest, descriptor.size)
        told: list[int] = []
        pulled = pull(ref, Layout(other.path), ANYBODY, progress=lambda _, done, __: told.append(done))
        assert pulled.digest == image.digest
        assert told[0] > 120_000
        assert list((other.path / ".nbfn/partial").iterdir()) == []

    def test_wrong_bytes_are_not_kept(self, line: BadLine, other: Layout, name: str, tmp_path: Path) -> None:
        image = large_image(tmp_path / "blobs", 1024)
        ref = Reference.parse(f"{line.host}/{name}:1")
        push(image, ref, ANYBODY)
        descriptor = image.layers[0].descriptor
        for wrong, message in {
            bytes(1024): "came with the digest",
            bytes(999): "999 bytes",
            bytes(2000): "sends more",
        }.items():
            line.replace = {descriptor.digest: wrong}
            with pytest.raises(ImageError, match=message):
                pull(ref, other, ANYBODY)
            assert not other.blob(descriptor.digest).exists()
        line.replace = {"/manifests/": b'{"schemaVersion": 2}'}
        with pytest.raises(RegistryError, match="was asked for"):
            pull(ref.pinned(image.digest), other, ANYBODY)
        line.replace = {"/manifests/": bytes(5 << 20)}
        with pytest.raises(RegistryError, match="is over"):
            pull(ref, other, ANYBODY)
        line.replace = {"/manifests/": b"<html>"}
        with pytest.raises(ImageError, match="not JSON"):
            pull(ref, other, ANYBODY)
        line.replace = {}
        assert pull(ref, other, ANYBODY).digest == image.digest

    def test_a_push_goes_on_where_it_broke(self, line: BadLine, name: str, tmp_path: Path) -> None:
        image = large_image(tmp_path / "blobs", 90_000)
        line.break_patch = [0]
        ref = Reference.parse(f"{line.host}/{name}:1")
        assert push(image, ref, ANYBODY, chunk_bytes=30_000).digest == image.digest
        line.break_patch = [11_000]  # the registry has less than it was to have
        image = large_image(tmp_path / "blobs", 90_000)
        assert push(image, ref, ANYBODY, chunk_bytes=30_000).digest == image.digest

    def test_a_registry_that_dies_in_the_middle_of_a_push(self, tmp_path: Path, other: Layout) -> None:
        image = large_image(tmp_path / "blobs", 200_000)
        with running(tmp_path / "registry") as registry, bad_line(registry) as line:
            ref = Reference.parse(f"{line.host}/a/b:1")

            def die(_: str, done: int, __: int) -> None:
                if done == 100_000:
                    registry.stop()

            resume = tmp_path / "uploads"
            with pytest.raises(RegistryError):
                push(image, ref, ANYBODY, chunk_bytes=50_000, memory=resume, progress=die)
            registry.start()
            with pytest.raises(RegistryError, match="is not in the registry"):
                pull(ref, other, ANYBODY)
            line.log.clear()
            assert push(image, ref, ANYBODY, chunk_bytes=50_000, memory=resume).digest == image.digest
            assert len([method for method, _ in line.log if method == "PATCH"]) == 2
            assert len(list(resume.iterdir())) == 1  # what the repository has; no upload is open
            assert pull(ref, other, ANYBODY).digest == image.digest

    def test_a_registry_that_is_not_there(self, tmp_path: Path, built: Image) -> None:
        with running(tmp_path / "registry") as registry:
            pass
        with pytest.raises(RegistryError, match="cannot be reached") as caught:
            push(built, Reference.parse(f"{registry.host}/a/b:1"), ANYBODY)
        assert "does it run" in caught.value.hint

    def test_a_registry_that_fails(self, line: BadLine, built: Image, name: str) -> None:
        ref = Reference.parse(f"{line.host}/{name}:1")
        line.status = {"PUT /manifests/": 503}
        with pytest.raises(RegistryError, match="503 TEST: as it was told") as caught:
            push(built, ref, ANYBODY)
        assert "try again" in caught.value.hint
        line.status = {"POST /blobs/": 403}
        with pytest.raises(LoginFailed):
            push(large_image(built.layers[0].path.parent.parent, 10), ref, ANYBODY)

    def test_a_layer_that_was_damaged_here(self, registry: Registry, name: str, tmp_path: Path) -> None:
        image = large_image(tmp_path / "blobs", 1024)
        image.layers[0].path.write_bytes(bytes(1024))
        with pytest.raises(RegistryError, match="DIGEST_INVALID") as caught:
            push(image, Reference.parse(f"{registry.host}/{name}:1"), ANYBODY)
        assert "damaged here" in caught.value.hint

    @pytest.mark.needs("root")
    def test_what_is_here_in_part_needs_no_room_again(
        self, line: BadLine, name: str, tmp_path: Path, small_disk: Path
    ) -> None:
        image = large_image(tmp_path / "blobs", 600_000)
        ref = Reference.parse(f"{line.host}/{name}:1")
        push(image, ref, ANYBODY)
        layout = Layout(small_disk / "images")
        line.truncate[image.layers[0].descriptor.digest] = [500_000, 0]
        with pytest.raises(RegistryError, match="broke while pulling"):
            pull(ref, layout, ANYBODY)
        (small_disk / "other").write_bytes(bytes(200_000))  # less than all of it is free
        assert pull(ref, layout, ANYBODY).digest == image.digest

    @pytest.mark.needs("root")
    def test_a_full_disk(self, registry: Registry, name: str, tmp_path: Path, small_disk: Path) -> None:
        image = large_image(tmp_path / "blobs", 2 << 20)
        ref = Reference.parse(f"{registry.host}/{name}:1")
        push(image, ref, ANYBODY)
        layout = Layout(small_disk / "images")
        with pytest.raises(StateError, match="no space left"):
            pull(ref, layout, ANYBODY)
        assert layout.refs() == {}
        assert not layout.blob(image.layers[0].descriptor.digest).exists()
        assert not list(layout.partials.iterdir()), "the disk stays full"
        layout.put(large_image(tmp_path / "blobs", 500_000), "other/small")

    def test_a_disk_that_fills_up_while_it_is_compressed(
        self, line: BadLine, name: str, tmp_path: Path, small_disk: Path, state: Path
    ) -> None:
        """Nothing half-written is left here or there; with more space it goes."""
        settings = config.load({"NBFN_STATE": str(state)})
        layout, where = Layout(small_disk / "images"), f"{line.host}/{name}:1"
        layout.put(large_image(tmp_path / "blobs", 600_000), "nbfn.local/a/large")
        for _ in range(2):
            with pytest.raises(StateError, match=r"no space left in .* for the compressed base layer"):
                publish("nbfn.local/a/large", where, layout, settings=settings)
        assert not list((layout.path / ".nbfn/tmp").iterdir())
        assert not [method for method, _ in line.log if method in ("PUT", "PATCH")]
        subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
        there = publish("nbfn.local/a/large", where, layout, settings=settings)
        assert pull(Reference.parse(where), Layout(tmp_path / "other"), ANYBODY).digest == there.digest


def test_what_was_spoken_to_in_plain_http_is_not_once_that_is_allowed_no_more() -> None:
    ref = Reference.parse("registry.invalid/f:1")
    with Repository(ref, Access(http=frozenset([ref.host])), root="http://registry.invalid") as repository:
        repository.connect()  # it is known, and asked nothing
    repository = Repository(ref, Access(), root="http://registry.invalid")
    with repository, pytest.raises(RegistryError, match=r"registry\.invalid"):
        repository.connect()


def test_a_registry_that_hangs_up_on_plain_http_is_asked_anew(
    tmp_path: Path, layout: Layout, built: Image, other: Layout
) -> None:
    memory, trusting = tmp_path / "memory", access(tmp_path / "docker", "", ca=tmp_path / "ca.pem")
    certified = certificates(tmp_path)
    with running(tmp_path / "registry") as registry:
        ref = Reference.parse(f"{registry.host}/a/b:1")
        push(built, ref, ANYBODY, memory=memory)
        registry.stop()
        registry.options = certified
        registry.start()
        capture = make_capture("def greet(name):\n    return name\n")
        image = layout.get(build(make_spec(), capture, layout).image)
        with Ahead(ref, trusting, memory) as ahead:
            repository, request = ahead.repository(), Repository.request

            def hang_up(self: Repository, *args: Any, **kwargs: Any) -> Any:
                if self.is_guessed:
                    raise RegistryError("Server disconnected without sending a response.")
                return request(self, *args, **kwargs)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Repository, "request", hang_up)
                assert push(image, ref, trusting, ahead=ahead).digest == image.digest
            assert not repository.is_guessed
        assert pull(ref, other, trusting).digest == image.digest
