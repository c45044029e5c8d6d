"""``nbfn status``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from nbfn import config
from nbfn.commands.options import state_option
from nbfn.errors import ExecutorError
from nbfn.running import running

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from nbfn.running import Running

NOT_RUNNING = 3  # as `systemctl status` says it
_ANSWER_TIMEOUT_S = 5.0


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def status(state: Path | None, as_json: bool) -> None:
    """Say whether the executor is running, and what it holds. Exit code 3: it is not."""
    settings = config.load(state=state)
    found = running(settings)
    if found is None:
        click.echo(
            json.dumps({"running": False, "state": str(settings.state)})
            if as_json
            else f"no executor is running for {settings.state}"
        )
        sys.exit(NOT_RUNNING)
    picture = _ask(found)
    if as_json:
        click.echo(json.dumps(picture))
    else:
        _print(picture)


def _ask(found: Running) -> dict[str, Any]:
    import httpx

    if found.endpoint is None:
        raise ExecutorError(
            f"the executor (pid {found.pid}) is starting or stopping", hint="try again in a moment"
        )
    try:
        with found.endpoint.client(timeout=_ANSWER_TIMEOUT_S) as client:
            info: dict[str, Any] = _get(client, "/nbfn/v1/info")
            info["functions"] = [
                {
                    "id": fn["id"],
                    "app": app["name"],
                    "name": fn["name"],
                    "image": fn["image"],
                    "instances": _get(client, f"/nbfn/v1/fns/{fn['id']}/instances")["items"],
                }
                for app in _list(client, "/v2/apps", {})
                for fn in _list(client, "/v2/fns", {"app_id": app["id"]})
            ]
    except httpx.TransportError as error:
        raise ExecutorError(
            f"the executor (pid {found.pid}) does not answer: {error!r}",
            hint="`nbfn stop` ends it; functions are kept",
        ) from error
    return {"running": True, **info}


def _get(client: httpx.Client, path: str, **params: str) -> Any:
    response = client.get(path, params=params)
    if response.status_code != 200:
        raise ExecutorError(f"{path} answered {response.status_code}: {response.text.strip()[:200]}")
    return response.json()


def _list(client: httpx.Client, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = _get(client, path, **params, per_page="100", **({"cursor": cursor} if cursor else {}))
        items += page["items"]
        cursor = page.get("next_cursor", "")
        if not cursor:
            return items


def _print(picture: dict[str, Any]) -> None:
    isolation = picture["isolation"]
    click.echo(f"nbfn {picture['version']} is running, pid {picture['pid']}, {picture['state']}")
    click.echo(f"  socket     {picture['socket']}")
    click.echo(f"  url        {picture['url']}")
    click.echo(f"  instances  {picture['instances']}, at most {picture['memory_mb']} MB")
    click.echo(
        f"  isolation  {isolation['tier']} ({picture['driver']}): {', '.join(isolation['mechanisms'])}"
    )
    for reason in isolation["missing"]:
        click.echo(f"             without {reason}")
    for fn in picture["functions"]:
        states = [instance["state"] for instance in fn["instances"]]
        counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        click.echo(f"  function   {fn['app']}/{fn['name']}  {counted or 'no instance'}")
