"""OCI's applications and functions under Fn's own routes and names, for what is written against those.

It has the methods of :class:`nbfn.deploy.rest.Rest`. What OCI says in its own words becomes Fn's JSON, with
the annotations that the Fn CLI's Oracle provider uses; an update merges as Fn's does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn.deploy.oci import dialect, limits, notes
from nbfn.deploy.oci.contexts import listed
from nbfn.deploy.oci.plan import extra_fields
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.deploy.terms import USUAL
from nbfn.errors import BadInput, NotFound
from nbfn.scale import Scale
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbfn.deploy.oci.api import Answer
    from nbfn.deploy.oci.target import OciTarget
    from nbfn.deploy.terms import Terms

_DEFAULT_MEMORY_MB = 128
_READ_ONLY = (notes.COMPARTMENT, notes.DIGEST, ENDPOINT_ANNOTATION)
_TAKEN = (*notes.OF_APPS, *notes.OF_BOTH, *notes.OF_FUNCTIONS)
_INSTEAD = "call it by `nbfn invoke`, or put an API Gateway before it"
_APPS, _FNS, _TRIGGERS = "/v2/apps", "/v2/fns", "/v2/triggers"
_KINDS = {_APPS: "applications", _FNS: "functions"}


class FnFace:
    """Fn's control plane, as far as OCI has it. Raises as :class:`OciTarget`, and BadInput for triggers."""

    def __init__(self, target: OciTarget) -> None:
        self._target = target
        self._api = target.api
        self.where = target.api.where

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """One object; or all of a list at once, in ``items``."""
        if path in (*_KINDS, _TRIGGERS):
            return {"items": list(self.items(path, **params))}
        kind, object_id = _split(path)
        return self._read(kind, object_id)

    def items(self, path: str, **params: str) -> Iterator[dict[str, Any]]:
        """Every object of a list, but for those that are being removed, unless that ``lifecycle_state`` is
        asked for. One that is asked for by name comes whole; of others OCI leaves out the configuration."""
        if path == _TRIGGERS:
            raise NotFound("OCI Functions has no HTTP triggers", hint=_INSTEAD, status=404)
        name = {"displayName": params["name"]} if "name" in params else {}
        state = {"lifecycleState": params["lifecycle_state"]} if "lifecycle_state" in params else {}
        if path == _APPS:
            owner = {"compartmentId": self._target.settings.compartment_id}
        else:
            owner = {"applicationId": params["app_id"]}
        for summary in self._api.items(_KINDS[path], **owner, **name, **state):
            if not state and summary.get("lifecycleState") in ("DELETING", "DELETED"):
                continue
            yield self._read(path, summary["id"]) if name else self._shown(path, summary)

    def first(self, path: str, **params: str) -> dict[str, Any] | None:
        """The only object that a name selects, or None."""
        return next(self.items(path, **params), None)

    def post(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]:
        """Make an application or a function."""
        if path == _TRIGGERS:
            raise BadInput("OCI Functions has no HTTP triggers", hint=_INSTEAD)
        if path == _APPS:
            told = body.get("annotations") or {}
            self.check(body)
            made = self._target.create_application(
                body["name"],
                config=body.get("config"),
                syslog_url=body.get("syslog_url") or "",
                subnet_ids=_subnets(told),
                shape=body.get("shape") or "",
                more={**notes.tag_fields(told, {}), **notes.app_fields(told)},
                within_s=terms.limit_s if terms.state else None,
            )
            self._api.await_state(f"applications/{made['id']}", terms)
            return self._shown(_APPS, made)
        self.check(body)
        wanted = {
            "applicationId": body["app_id"],
            "displayName": body["name"],
            "memoryInMBs": body.get("memory") or _DEFAULT_MEMORY_MB,
            **self._fields(_FNS, body, {}),
        }
        answer = self._api.post("functions", wanted)
        self._finish(answer, "CreateFunction", f"functions/{answer.document['id']}", terms)
        return self.get(f"{_FNS}/{answer.document['id']}")

    def put(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]:
        """Change what ``body`` has; an empty value in ``config`` deletes the key.

        Raises:
            Changed: somebody else changed it at the same moment, or since it had the etag of ``terms``.
        """
        self.check(body)
        kind, object_id = _split(path)
        place = f"{_KINDS[kind]}/{object_id}"
        held = self._api.get(place)
        subnets = _subnets(body.get("annotations") or {})
        if subnets and set(subnets) != set(held.document.get("subnetIds") or ()):
            raise BadInput("the subnets of an application cannot be changed", hint="make another application")
        fields = {
            name: value
            for name, value in self._fields(kind, body, held.document).items()
            if (held.document.get(name) or {}) != (value or {})
        }
        if fields or terms.if_match:  # whether it still has that etag is for OCI to say
            answer = self._api.put(place, fields, terms.if_match or held.etag)
            self._finish(answer, "UpdateApp" if kind == _APPS else "UpdateFunction", place, terms)
        else:
            self._api.await_state(place, terms)
        return self.get(path)

    def check(self, body: Mapping[str, Any]) -> None:
        """Return if OCI would take what ``body`` gives, in Fn's names. Asks nobody.

        Raises:
            LimitError: memory, timeout, numbers of instances, or the size of the configuration.
            BadInput: a key of the configuration, an annotation, or an image that it could not pull.
        """
        if body.get("memory"):
            limits.check_memory(body["memory"])
        if body.get("timeout"):
            limits.check_timeout(body["timeout"])
        limits.check_config(body.get("config") or {})
        told = body.get("annotations") or {}
        limits.check_scale(Scale.of(told))
        for name in told:
            if name not in (*_READ_ONLY, *_TAKEN):
                raise BadInput(
                    f"OCI Functions keeps no annotation {name!r}", hint=f"it has {', '.join(_TAKEN)}"
                )
        limits.check_extras(notes.extras_of(told), body.get("memory"))
        notes.app_fields(told)
        if body.get("image"):
            image = ImageRef.parse(body["image"])
            self._target.account.check_registry(image.repository.partition("/")[0])

    def delete(self, path: str, terms: Terms = USUAL) -> None:
        """Remove it. Raises Changed if it has not the etag of ``terms``."""
        kind, object_id = _split(path)
        place = f"{_KINDS[kind]}/{object_id}"
        held = self._api.get(place).document if kind == _FNS and self._target.settings.bucket else {}
        answer = self._api.delete(place, terms.if_match)
        self._finish(answer, "DeleteApp" if kind == _APPS else "DeleteFunction", place, terms)
        self._target.uploads.tidy(held)

    def _finish(self, answer: Answer, operation: str, place: str, terms: Terms) -> None:
        self._api.finish(answer, operation, terms.limit_s if terms.state else None)
        self._api.await_state(place, terms)

    def _read(self, kind: str, object_id: str) -> dict[str, Any]:
        answer = self._api.get(f"{_KINDS[kind]}/{object_id}")
        return {**self._shown(kind, answer.document), "etag": answer.etag}

    def _fields(self, kind: str, body: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
        """OCI's fields for what ``body`` says in Fn's."""
        told = body.get("annotations") or {}
        fields: dict[str, Any] = notes.tag_fields(told, held)
        if body.get("config"):
            merged = {**(held.get("config") or {}), **body["config"]}
            fields["config"] = {key: value for key, value in merged.items() if value}
            limits.check_config(fields["config"])
        if kind == _APPS:
            fields |= notes.app_fields(told)
            if body.get("syslog_url") is not None:
                fields["syslogUrl"] = body["syslog_url"]
            return fields
        extras = notes.extras_of(told)
        limits.check_extras(extras, body.get("memory") or held.get("memoryInMBs") or _DEFAULT_MEMORY_MB)
        fields = extra_fields(extras) | fields
        if body.get("memory"):
            fields["memoryInMBs"] = body["memory"]
        if body.get("timeout"):
            fields["timeoutInSeconds"] = body["timeout"]
        if body.get("image"):
            image = ImageRef.parse(body["image"])
            source = dialect.ImageSource.of(image)
            fields |= dialect.source_body(self._target.settings.api_version, source)
        return fields

    def _shown(self, kind: str, thing: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": thing["id"],
            "name": thing["displayName"],
            "config": dict(thing.get("config") or {}),
            "annotations": {notes.COMPARTMENT: thing["compartmentId"], **notes.shown(thing)},
            "created_at": thing.get("timeCreated", ""),
            "updated_at": thing.get("timeUpdated", ""),
            "shape": thing.get("shape", ""),
            "state": thing.get("lifecycleState", ""),
        }
        if kind == _APPS:
            shown["annotations"][notes.SUBNETS] = list(thing.get("subnetIds") or ())
            return shown | ({"syslog_url": thing["syslogUrl"]} if thing.get("syslogUrl") else {})
        image, _, digest = dialect.image_of(thing).partition("@")
        if digest:
            shown["annotations"][notes.DIGEST] = digest
        if thing.get("invokeEndpoint"):
            shown["annotations"][ENDPOINT_ANNOTATION] = self._target.url_of(thing)
        return shown | {
            "app_id": thing["applicationId"],
            "image": image,
            "memory": thing.get("memoryInMBs", 0),
            "timeout": thing.get("timeoutInSeconds", 0),
        }


def _subnets(annotations: Mapping[str, Any]) -> list[str]:
    told = annotations.get(notes.SUBNETS) or ()
    return listed(told) if isinstance(told, str) else [str(each) for each in told]


def _split(path: str) -> tuple[str, str]:
    kind, _, object_id = path.rpartition("/")
    if kind not in _KINDS:
        raise NotFound(f"OCI Functions has nothing like {path}", status=404)
    return kind, object_id
