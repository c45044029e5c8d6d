"""OCI Functions as a target: an application and a function, by image or by archive."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from nbfn import __version__
from nbfn.deploy.base import DeployedFunction
from nbfn.deploy.oci import dialect, limits
from nbfn.deploy.oci.absent import Absent
from nbfn.deploy.oci.api import Api
from nbfn.deploy.oci.causes import Place
from nbfn.deploy.oci.limits import SHAPES
from nbfn.deploy.oci.notes import extras_of
from nbfn.deploy.oci.plan import FINGERPRINT_TAG, Wanted, check, creation, key_of, update
from nbfn.deploy.oci.refusals import call_failure, read_failure
from nbfn.deploy.oci.regions import registry_region
from nbfn.deploy.oci.repositories import ARTIFACTS_VERSION, prepare_repository
from nbfn.deploy.oci.settings import Account, check_subnets
from nbfn.deploy.oci.signing import Signature
from nbfn.deploy.oci.storage import Storage
from nbfn.deploy.oci.uploads import UploadRefused, Uploads
from nbfn.deploy.oci.watching import LOGGING_VERSION, METRICS_VERSION, Watching
from nbfn.deploy.plan import FINGERPRINT_ANNOTATION
from nbfn.errors import BadInput, Conflict, NotFound
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.spec import Deployment, ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.deploy.oci.api import Patience
    from nbfn.deploy.oci.archive import Archive
    from nbfn.deploy.oci.dialect import Source
    from nbfn.deploy.oci.limits import Extras
    from nbfn.deploy.oci.retry import Backoff
    from nbfn.deploy.oci.settings import OciSettings
    from nbfn.deploy.oci.watching import Counts
    from nbfn.errors import NbfnError
    from nbfn.spec import FunctionSpec, LogLine, Progress

_ATTEMPTS = 4
_CONTROL_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_LOOPBACK = re.compile(r"https?://(localhost|127\.[\d.]+|\[::1\])(:\d+)?$")


class OciTarget(Absent):
    """A :class:`nbfn.deploy.base.Target` that is OCI Functions, in one compartment of one region.

    ``client`` signs: it reaches the management and the invocation endpoints alike, and a
    :class:`nbfn.invoke.Caller` over it calls the functions (with :meth:`explain` as its words for failures).

    Raises (each method):
        CredentialsError: there is nothing to sign with.
        TargetError: OCI refused; the child says of what kind, and its hint what to do.
    """

    def __init__(
        self, settings: OciSettings, *, backoff: Backoff | None = None, patience: Patience | None = None
    ) -> None:
        self.settings = settings
        self.account = Account(settings)
        endpoint, region = self.account.endpoint, self.account.region
        self.place = Place(
            compartment_id=settings.compartment_id,
            region=region.id if region else "",
            registry=region.registries[0] if region else "",
            functions_url=region.functions_url if region else "",
            bucket=settings.bucket,
            context=settings.context,
        )
        self.client = httpx.Client(
            base_url=endpoint,
            auth=Signature(self.account.credentials),
            headers={"User-Agent": f"nbfn/{__version__}", "Accept-Encoding": "identity"},
            timeout=_CONTROL_TIMEOUT,
            verify=settings.verify,
            # A company's proxy stands between most people and OCI, and never before this machine itself.
            trust_env=not _LOOPBACK.match(endpoint),
        )
        self.api = Api(self.client, settings.api_version, self.place, backoff=backoff, patience=patience)
        # Other services of the same region; an emulator is all of them at one address.
        near = region if self.account.is_real else None

        def service(version: str, url: str) -> Api:
            return Api(self.client, version, self.place, base=url, backoff=backoff)

        self.watching = Watching(
            service(LOGGING_VERSION, near.logging_url if near else endpoint),
            service(METRICS_VERSION, near.metrics_url if near else endpoint),
            settings.compartment_id,
        )
        self._artifacts = service(ARTIFACTS_VERSION, near.artifacts_url if near else endpoint)
        storage = service("", near.storage_url if near else endpoint)
        bucket = settings.bucket
        self.uploads = Uploads(Storage(storage, bucket, settings.compartment_id) if bucket else None)

    def close(self) -> None:
        """End its connections."""
        self.client.close()

    def apply(
        self, spec: FunctionSpec, image: ImageRef, fingerprint: str, *, extras: Extras | None = None
    ) -> Deployment:
        """See :meth:`Target.apply`. ``extras`` are what OCI has beyond that, else those of its annotations.

        An application that is missing is made in the settings' subnets; a refused function may leave it
        behind, empty. The idle timeout is OCI's own affair, so that of ``spec`` is not used.

        Raises:
            LimitError, BadInput: OCI takes no such function; nothing was sent.
            WorkFailed: OCI accepted the change and then failed to make it.
        """
        self.account.check_registry(image.repository.partition("/")[0])
        return self._apply(spec, dialect.ImageSource.of(image), image, fingerprint, extras)

    def apply_archive(
        self,
        spec: FunctionSpec,
        archive: Archive,
        fingerprint: str,
        *,
        extras: Extras | None = None,
        progress: Progress | None = None,
    ) -> Deployment:
        """The same with code alone, which OCI's own runtime for Python runs: no image, no registry.

        An archive of more than 25 MB goes by way of the settings' bucket; what it was before is removed
        there once the function is made of the new one. ``progress`` is told ``upload``, and how many of how
        many bytes are there.
        """
        self.uploads.check(archive.size)
        ref = ImageRef(f"archive/{archive.source.runtime}", archive.digest)
        try:
            return self._apply(spec, archive.source, ref, fingerprint, extras, progress)
        except UploadRefused as refused:
            raise refused.error from refused.error.__cause__

    def inspect(self, app: str, name: str) -> DeployedFunction:
        """See :meth:`Target.inspect`."""
        held_app, fn, _ = self._read(app, name)
        if held_app is None or fn is None:
            what = f"no application {app!r}" if held_app is None else f"no function {name!r} in {app!r}"
            raise NotFound(
                f"{self.api.where} has {what}",
                hint=f"in compartment {self.settings.compartment_id}, as far as you may see",
                status=404,
            )
        return self._deployed(held_app, fn)

    def list(self, app: str | None = None) -> Sequence[DeployedFunction]:
        """See :meth:`Target.list`. Empty if there is no such application."""
        found = [
            self._deployed(held_app, fn)
            for held_app in self.applications(app)
            for fn in self.api.items("functions", applicationId=held_app["id"])
            if _is_there(fn)
        ]
        return sorted(found, key=lambda each: (each.name, each.app))

    def remove(self, app: str, name: str) -> bool:
        """See :meth:`Target.remove`."""
        _, fn, etag = self._read(app, name)
        if fn is None:
            return False
        try:
            self.api.finish(self.api.delete(f"functions/{fn['id']}", etag), "DeleteFunction")
        except NotFound:
            return False
        self.uploads.tidy(fn)
        return True

    def logs(self, fn_id: str, *, call_id: str | None = None, limit: int = 1000) -> Iterator[LogLine]:
        """What OCI Logging has of the last day: it comes a minute late, and only if the log is enabled.

        Raises:
            NotFound: one may not read it; the hint has the policy statement.
        """
        return iter(self.watching.logs(fn_id, call_id=call_id or "", limit=limit))

    def counts(self, fn_id: str, *, minutes: int = 60) -> Counts:
        """What OCI Monitoring has counted of the function. Raises as :meth:`logs`."""
        return self.watching.counts(fn_id, minutes=minutes)

    def applications(self, name: str | None = None) -> Iterator[dict[str, Any]]:
        """Applications of the compartment as OCI describes them; those called ``name``, if given."""
        named = {} if name is None else {"displayName": name}
        found = self.api.items("applications", compartmentId=self.settings.compartment_id, **named)
        return filter(_is_there, found)

    def create_application(
        self,
        name: str,
        *,
        config: Mapping[str, str] | None = None,
        syslog_url: str = "",
        subnet_ids: Sequence[str] = (),
        shape: str = "",
        more: Mapping[str, Any] | None = None,
        within_s: float | None = None,
    ) -> dict[str, Any]:
        """Make an application; in the settings' subnets and of the settings' shape unless others are given.

        ``more`` are fields of OCI's beside these, like ``freeformTags``. ``within_s``: see ``Api.finish``.

        Raises:
            BadInput: there is no subnet, more than three, or no such shape.
            Conflict: there is one of that name.
        """
        if shape and shape not in SHAPES:
            raise BadInput(f"shape {shape!r} is none of OCI's", hint=f"use one of: {', '.join(SHAPES)}")
        subnets = list(subnet_ids or self.settings.subnet_ids)
        if not subnets:
            raise BadInput(
                f"application {name!r} is not there, and making it needs a subnet",
                hint=f"`nbfn create app {name} --subnet-id ocid1.subnet.…` makes it (1 to 3 subnets); "
                "`nbfn update context oracle.subnet-ids …` says it for all",
            )
        check_subnets(subnets)
        body: dict[str, Any] = {
            "compartmentId": self.settings.compartment_id,
            "displayName": name,
            "subnetIds": subnets,
            "shape": shape or self.settings.shape,
            "config": dict(config or {}),
            **(more or {}),
        }
        if syslog_url:
            body["syslogUrl"] = syslog_url
        limits.check_config(body["config"])
        answer = self.api.post("applications", body)
        self.api.finish(answer, "CreateApp", within_s)
        return dict(answer.document)

    def update_application(self, app_id: str, changes: Mapping[str, Any]) -> None:
        """Change fields of an application, in OCI's names. Whole maps are replaced.

        Raises:
            Changed: somebody else changed it meanwhile.
        """
        etag = self.api.get(f"applications/{_segment(app_id)}").etag
        answer = self.api.put(f"applications/{_segment(app_id)}", changes, etag)
        self.api.finish(answer, "UpdateApp")

    def delete_application(self, app_id: str) -> None:
        """Remove an application that holds no functions.

        Raises:
            Conflict: it holds some.
        """
        self.api.finish(self.api.delete(f"applications/{_segment(app_id)}"), "DeleteApp")

    def prepare(self, image: str) -> None:
        """Make the repository that ``image`` (``HOST/NAMESPACE/NAME…``) goes to, if the settings say in which
        compartment; a registry that is not OCI's is left alone."""
        host, _, repository = image.partition("/")
        compartment_id = self.settings.image_compartment_id
        if compartment_id and (registry_region(host) or not self.account.is_real):
            prepare_repository(self._artifacts, compartment_id, repository.partition(":")[0])

    def explain(
        self, status: int, body: bytes | bytearray, headers: Mapping[str, str], of: Deployment, call_id: str
    ) -> NbfnError:
        """The error that an answer to a call stands for which is not the function's own."""
        failure = read_failure(status, headers, body, "InvokeFunction")
        place = Place(
            compartment_id=self.place.compartment_id,
            region=self.place.region,
            registry=self.place.registry,
            timeout_s=of.spec.limits.timeout_s,
            memory_mb=of.spec.limits.memory_mb,
        )
        return call_failure(failure, of.spec.name, place, time.time(), call_id)

    def _apply(
        self,
        spec: FunctionSpec,
        source: Source,
        ref: ImageRef,
        fingerprint: str,
        extras: Extras | None,
        progress: Progress | None = None,
    ) -> Deployment:
        extras = extras or extras_of(spec.annotations)
        fresh_key = secrets.token_hex(32)
        limits.check(spec.limits, {**spec.config, KEY_VARIABLE: fresh_key}, extras)
        limits.check_scale(spec.scale)
        want = Wanted(spec, source, fingerprint, extras, progress)
        check(self.settings.api_version, want)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                app, held, changed = self._step(want, fresh_key)
            except (Conflict, NotFound):
                # Somebody else made, changed or removed it between our look and our step: look again.
                if attempt == _ATTEMPTS:
                    raise
                continue
            return Deployment(
                spec=spec,
                image=ref,
                fn_id=held["id"],
                app_id=app["id"],
                url=self.url_of(held),
                fingerprint=fingerprint,
                key=bytes.fromhex(key_of(held)),
                changed=changed,
            )
        raise AssertionError  # the last attempt returns or raises

    def _step(self, want: Wanted, fresh_key: str) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """Application and function as they are afterwards, and whether anything had to change."""
        version = self.settings.api_version
        app, fn, etag = self._read(want.spec.app, want.spec.name)
        if app is None:
            app = self.create_application(want.spec.app)
        if fn is None:
            with self.uploads.sent(want, app["id"]) as sent:
                answer = self.api.post("functions", creation(version, sent, app["id"], fresh_key).body)
                self.api.finish(answer, "CreateFunction")
            fn = answer.document
            # A function on its way has no endpoint yet.
            return app, fn if fn.get("invokeEndpoint") else self._function(fn["id"])[0], True
        dialect.check_switch(fn, want.source)
        is_new = not dialect.has_source(fn, want.source)
        with self.uploads.sent(want, app["id"]) if is_new else nullcontext(want) as sent:
            change = update(version, fn, sent, fresh_key)
            if change is None:
                return app, fn, False
            answer = self.api.put(f"functions/{fn['id']}", change.body, etag)
            self.api.finish(answer, "UpdateFunction")
        if is_new:
            self.uploads.tidy(fn)
        return app, self._function(fn["id"])[0], True

    def _read(self, app: str, name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None, str]:
        """The application, the function in full, and the function's etag."""
        held_app = next(self.applications(app), None)
        if held_app is None:
            return None, None, ""
        found = self.api.items("functions", applicationId=held_app["id"], displayName=name)
        summary = next(filter(_is_there, found), None)
        if summary is None:
            return held_app, None, ""
        try:
            fn, etag = self._function(summary["id"])
        except NotFound:  # removed since it was listed
            return held_app, None, ""
        return held_app, fn, etag

    def _function(self, fn_id: str) -> tuple[dict[str, Any], str]:
        answer = self.api.get(f"functions/{_segment(fn_id)}")
        return answer.document, answer.etag

    def url_of(self, fn: Mapping[str, Any]) -> str:
        """Where ``POST`` invokes a function that OCI describes so."""
        base = str(fn["invokeEndpoint"]).rstrip("/")
        if "://" not in base:
            base = f"https://{base}"
        return f"{base}/{self.settings.api_version}/functions/{fn['id']}/actions/invoke"

    def _deployed(self, app: Mapping[str, Any], fn: Mapping[str, Any]) -> DeployedFunction:
        tags: Mapping[str, str] = fn.get("freeformTags") or {}
        notes: dict[str, object] = {"freeformTags": dict(tags)}
        if FINGERPRINT_TAG in tags:
            notes[FINGERPRINT_ANNOTATION] = tags[FINGERPRINT_TAG]
        return DeployedFunction(
            id=fn["id"],
            name=fn["displayName"],
            app_id=app["id"],
            app=app["displayName"],
            image=dialect.image_of(fn),
            memory_mb=fn.get("memoryInMBs", 0),
            timeout_s=fn.get("timeoutInSeconds", 0),
            idle_timeout_s=0,
            url=self.url_of(fn),
            annotations=notes,
            config={key: value for key, value in (fn.get("config") or {}).items() if key != KEY_VARIABLE},
            created_at=fn.get("timeCreated", ""),
            updated_at=fn.get("timeUpdated", ""),
        )


def _is_there(thing: Mapping[str, Any]) -> bool:
    return thing.get("lifecycleState") not in ("DELETING", "DELETED")


def _segment(text: str) -> str:
    return quote(text, safe="")
