"""What only OCI Functions has: compartments of applications, and pre-built functions.

Raises (each function, beside what it says itself):
    BadInput: the context is of another server, or cannot be used.
    NotFound, TargetError: OCI refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from nbfn import session as sessions
from nbfn.deploy.oci.dialect import of_listing
from nbfn.deploy.oci.notes import extras_of, tag_fields
from nbfn.deploy.oci.plan import extra_fields
from nbfn.deploy.terms import USUAL
from nbfn.errors import BadInput, LimitError, NotFound
from nbfn.targets.oci import OciServer
from nbfn.verbs.noting import noting
from nbfn.verbs.objects import check_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.deploy.control import Object
    from nbfn.deploy.oci.api import Api
    from nbfn.deploy.terms import Terms
    from nbfn.session import Session

_LISTINGS, _VERSIONS = "pbfListings", "pbfListingVersions"


@dataclass(frozen=True, slots=True)
class PreBuilt:
    """A function that Oracle keeps ready, as OCI lists it."""

    id: str
    name: str
    publisher: str = ""
    updated: str = ""
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreBuiltVersion:
    """One version of a pre-built function."""

    id: str
    name: str
    state: str = ""
    updated: str = ""
    min_memory_mb: int | None = None
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


def change_compartment(
    app: str, compartment_id: str, *, terms: Terms = USUAL, session: Session | None = None
) -> None:
    """Move an application to another compartment. Contexts of the old one see it no more."""
    ours = session or sessions.current()
    api = _api(ours, "compartments")
    if not compartment_id.startswith("ocid1."):
        raise BadInput(f"{compartment_id!r} is not the id of a compartment", hint="it begins with ocid1.")
    held = ours.control.app(app)
    place, operation = f"applications/{held['id']}", "ChangeAppCompartment"
    answer = api.ask(
        operation,
        "POST",
        f"{place}/actions/changeCompartment",
        json={"compartmentId": compartment_id},
        headers={"if-match": terms.if_match} if terms.if_match else None,
    )
    api.finish(answer, operation, terms.limit_s if terms.state else None)
    api.await_state(place, terms)


def prebuilt_functions(
    *, search: str = "", trigger: str = "", limit: int = 10, session: Session | None = None
) -> Sequence[PreBuilt]:
    """Pre-built functions, at most ``limit``: those with ``search`` in their names, or with a trigger."""
    api = _api(session or sessions.current(), "pre-built functions")
    told = {"nameContains": search, "trigger": trigger}
    found = api.items(_LISTINGS, **{key: value for key, value in told.items() if value})
    return [_listing(each) for each in islice(found, limit)]


def prebuilt_function(name: str, *, session: Session | None = None) -> Mapping[str, Any]:
    """All that OCI says of a pre-built function, by its name or id. Raises NotFound."""
    api = _api(session or sessions.current(), "pre-built functions")
    return dict(api.get(f"{_LISTINGS}/{_id_of(api, name)}").document)


def prebuilt_versions(
    name: str, *, current: bool = False, limit: int = 10, session: Session | None = None
) -> Sequence[PreBuiltVersion]:
    """Versions of a pre-built function, by its name or id; ``current``: only the one that is in use now."""
    api = _api(session or sessions.current(), "pre-built functions")
    told = {"pbfListingId": _id_of(api, name), **({"isCurrentVersion": "true"} if current else {})}
    return [_version(each) for each in islice(api.items(_VERSIONS, **told), limit)]


def prebuilt_version(version_id: str, *, session: Session | None = None) -> PreBuiltVersion:
    """One version of a pre-built function, by its id. Raises NotFound."""
    api = _api(session or sessions.current(), "pre-built functions")
    return _version(api.get(f"{_VERSIONS}/{version_id}").document)


def prebuilt_triggers(name: str = "", *, limit: int = 10, session: Session | None = None) -> Sequence[str]:
    """What pre-built functions can be triggered by; ``name``: only this."""
    api = _api(session or sessions.current(), "pre-built functions")
    found: Iterator[dict[str, Any]] = api.items(f"{_LISTINGS}/triggers", **({"name": name} if name else {}))
    return [str(each["name"]) for each in islice(found, limit)]


@noting("create")
def create_prebuilt(
    app: str,
    name: str,
    listing: str,
    *,
    memory: int | None = None,
    timeout: int | None = None,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    terms: Terms = USUAL,
    session: Session | None = None,
) -> str:
    """Make a function of a pre-built one, by that one's name or id; tells the function's id.

    Without a ``memory`` it has what the version that is in use now needs.

    Raises:
        LimitError: it needs more memory than it is given, or OCI takes no such memory or timeout.
        Conflict: there is a function of that name.
    """
    ours = session or sessions.current()
    api = _api(ours, "pre-built functions")
    check_names(app, name)
    notes = dict(annotations or {})
    ours.server.check({"memory": memory, "timeout": timeout, "config": config, "annotations": notes})
    listing_id = _id_of(api, listing)
    told = {
        "applicationId": ours.control.app(app)["id"],
        "displayName": name,
        "memoryInMBs": _enough(ours, listing, listing_id, memory),
        "timeoutInSeconds": timeout,
        "config": dict(config or {}),
        "sourceDetails": {"sourceType": "PRE_BUILT_FUNCTIONS", "pbfListingId": listing_id},
        **extra_fields(extras_of(notes)),
        **tag_fields(notes, {}),
    }
    answer = api.post("functions", {key: value for key, value in told.items() if value})
    api.finish(answer, "CreateFunction", terms.limit_s if terms.state else None)
    api.await_state(f"functions/{answer.document['id']}", terms)
    return str(answer.document["id"])


def deploy_prebuilt(
    app: Object,
    name: str,
    listing: str,
    *,
    held: Object | None,
    memory: int | None = None,
    timeout: int | None = None,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    session: Session,
) -> tuple[str, bool]:
    """Have the function be there, of this pre-built one; tells its id, and False if it was exactly so.

    ``held`` is the function as it is, or None. What is not given stays as it is.

    Raises:
        BadInput: it is made of something else, which OCI lets no function change.
        LimitError: as :func:`create_prebuilt`.
    """
    api = _api(session, "pre-built functions")
    told: dict[str, Any] = {"timeout": timeout, "config": config, "annotations": annotations}
    if held is None:
        told["config"] = {key: value for key, value in (config or {}).items() if value}
        return create_prebuilt(app["name"], name, listing, memory=memory, **told, session=session), True
    listing_id = _id_of(api, listing)
    made_of = str(held.get("image", ""))
    if made_of != of_listing(listing_id):
        raise BadInput(
            f"function {name!r} is made of {made_of or 'something else'}, not of {of_listing(listing_id)}",
            hint="OCI lets no function change that: remove it first, or use another name",
        )
    told["memory"] = memory and _enough(session, listing, listing_id, memory)
    body = {key: value for key, value in told.items() if value}
    after = session.control.functions.update(held["id"], body)
    return str(after["id"]), bool(after.get("etag") != held.get("etag"))


def check_prebuilt(session: Session) -> None:
    """Return if the context's server has pre-built functions. Raises BadInput."""
    _api(session, "pre-built functions")


def _enough(session: Session, listing: str, listing_id: str, memory: int | None) -> int:
    """``memory``, or what the version that is in use now needs. Raises LimitError if it needs more."""
    (current,) = prebuilt_versions(listing_id, current=True, limit=1, session=session) or (None,)
    least = (current.min_memory_mb if current else None) or 128
    if memory and memory < least:
        raise LimitError(f"{listing} needs {least} MB, and is given {memory}", hint=f"--memory {least}")
    return memory or least


def _api(session: Session, what: str) -> Api:
    server = session.server
    if not isinstance(server, OciServer):
        raise BadInput(
            f"context {session.context.name!r} is no context of OCI, which alone has {what}",
            hint="`nbfn create context NAME --provider oracle`, then `nbfn use context NAME`",
        )
    return server.target.api


def _id_of(api: Api, name: str) -> str:
    if name.startswith("ocid1."):
        return name
    found = next(api.items(_LISTINGS, name=name), None)
    if found is None:
        raise NotFound(
            f"{api.where} has no pre-built function {name!r}",
            hint="`nbfn list pbfs --search PART` looks for one",
            status=404,
        )
    return str(found["id"])


def _listing(held: Mapping[str, Any]) -> PreBuilt:
    return PreBuilt(
        id=str(held["id"]),
        name=str(held.get("name", "")),
        publisher=str((held.get("publisherDetails") or {}).get("name", "")),
        updated=str(held.get("timeUpdated", "")),
        triggers=tuple(str(each["name"]) for each in held.get("triggers") or ()),
    )


def _version(held: Mapping[str, Any]) -> PreBuiltVersion:
    return PreBuiltVersion(
        id=str(held["id"]),
        name=str(held.get("name", "")),
        state=str(held.get("lifecycleState", "")),
        updated=str(held.get("timeUpdated", "")),
        min_memory_mb=(held.get("requirements") or {}).get("minMemoryRequiredInMBs"),
        document=dict(held),
    )
