"""The services beside Functions, by the paths that requests to them have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.oci.reply import Reply
from tests.oci.seen import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.oci.server import Cloud

    Serve = Callable[[bytes, Mapping[str, str], Mapping[str, str]], Reply]


def find(cloud: Cloud, method: str, path: str) -> tuple[str, Serve] | None:
    """The operation that a request asks for, and what answers it; None if it is none of these services."""
    if path in SERVICES and method == "POST":
        operation, search = SERVICES[path]
        return operation, lambda body, _, query: Reply(
            200, search(cloud.watch, json.loads(body), dict(query))
        )
    return cloud.artifacts.find(method, path) or cloud.objects.find(method, path)


def is_upload(method: str, path: str) -> bool:
    """True for what goes into a bucket: its signature need not be of the body, which may be long."""
    return method == "PUT" and path.startswith("/n/")
