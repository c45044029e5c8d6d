"""Why a registry said no, in words that name the part that is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nbfn.containerize.registry.credentials import login_with
from nbfn.errors import LoginFailed, RegistryError

if TYPE_CHECKING:
    from nbfn.containerize.registry.credentials import Credentials
    from nbfn.containerize.registry.reference import Reference

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 403, 404, 429
_SAID_MAX = 300
# What Oracle's registry takes: namespace/user, or namespace/domain/user.
_OCIR_USER = re.compile(r"[^/\s]+/(?:[^/\s]+/)?[^/\s]+")
# An auth token of Oracle's is 20 printable characters; API keys, OCIDs and PEM texts are other things.
_NOT_A_TOKEN = re.compile(r"ocid1\.|-----BEGIN|[0-9a-f]{2}(?::[0-9a-f]{2}){15}")


def refused(
    ref: Reference, doing: str, status: int, body: object, login: Credentials | None
) -> RegistryError:
    """The error for an answer with ``status`` that ended ``doing`` (``pulling``, ``pushing``).

    ``body`` is the decoded JSON, where it was one.
    """
    said = _said(body)
    text = f"{ref.host} refused {doing} {ref.repository}: {status}" + (f" {said}" if said else "")
    if status in (UNAUTHORIZED, FORBIDDEN):
        return LoginFailed(text, hint=login_hint(ref, status, login), status=status)
    if status == NOT_FOUND and doing == "pulling":
        return RegistryError(
            f"{ref} is not in the registry {ref.host}" + (f": {said}" if said else ""),
            hint="look at the name, the tag and the region of the registry"
            if ref.is_ocir
            else "look at the name and the tag",
            status=status,
        )
    if "DIGEST_INVALID" in said:
        hint = (
            "what was sent is damaged here: remove the file that `images verify` names, and deploy the "
            "function again"
        )
        return RegistryError(text, hint=hint, status=status)
    if status == TOO_MANY:
        hint = "wait, or log in: many registries let those who do have more"
        return RegistryError(text, hint=hint, status=status)
    if status >= 500:
        return RegistryError(
            text, hint="the registry itself failed: try again, what arrived is kept", status=status
        )
    return RegistryError(text, hint="look at the registry's own log", status=status)


def login_hint(ref: Reference, status: int, login: Credentials | None) -> str:
    """Which part of the login is wrong, as far as it can be told, and what to do."""
    if ref.is_ocir:
        return _ocir_hint(ref, status, login)
    if login is None:
        return f"no login for it is known: {login_with(ref.host)}"
    who = f"the login of {login.user!r}" if login.user else "the token"
    if status == FORBIDDEN:
        return f"{who} is good, and may not do this in {ref.repository}: ask who owns it"
    return f"{who} (from {login.origin}) is not accepted, or has expired: {login_with(ref.host)}"


def _ocir_hint(ref: Reference, status: int, login: Credentials | None) -> str:
    namespace = ref.repository.partition("/")[0]
    form = f"{namespace}/USER, or {namespace}/DOMAIN/USER of an identity domain"
    if login is None:
        return (
            f"no login for it is known: {login_with(ref.host)}, as {form}, with an auth token "
            "(Profile → Auth tokens in the console) as the password"
        )
    if "/" not in ref.repository:
        return (
            f"a repository there begins with the tenancy's namespace: {ref.host}/NAMESPACE/{ref.repository}"
        )
    if login.user and not _OCIR_USER.fullmatch(login.user):
        return f"the user {login.user!r} lacks the tenancy's namespace: log in as {form}"
    if login.user and login.user.partition("/")[0] != namespace:
        return (
            f"the login is of the namespace {login.user.partition('/')[0]!r}, and the repository is of "
            f"{namespace!r}: log in as {form}, or push to your own namespace"
        )
    if _NOT_A_TOKEN.search(login.password):
        return "the password is a key or an OCID: it must be an auth token (Profile → Auth tokens)"
    if status == FORBIDDEN:
        return (
            "the login is good, and a policy is missing: allow the user's group to manage repos in the "
            "compartment of the repository"
        )
    return (
        f"namespace and user have the right form, so the password is wrong: it must be an auth token, not "
        f"the console's password, and it may have been deleted (from {login.origin})"
    )


def _said(body: object) -> str:
    """The registry's own words: ``{"errors": [{"code", "message"}]}``, or a token server's."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    if isinstance(errors, list):
        texts = [_error(error) for error in errors if isinstance(error, dict)]
        return "; ".join(filter(None, texts))[:_SAID_MAX]
    found = body.get("details") or body.get("message") or body.get("error_description") or body.get("error")
    return str(found)[:_SAID_MAX] if found else ""


def _error(error: dict[str, object]) -> str:
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    return f"{code}: {message}" if code and message else code or message
