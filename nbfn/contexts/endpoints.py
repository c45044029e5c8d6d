"""Where functions are invoked, as the Fn CLI remembers it: a quarter of an hour, by their names.

A function that has been removed and made again is another one, so what is remembered of it is dropped here as
the Fn CLI drops it: under its lock, and nothing is made.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from nbfn import config, enginetype, yamlfile
from nbfn.errors import StateError

_FILE = "invoke-endpoint-cache.json"
_log = logging.getLogger(__name__)


def forget(context: str, app: str, function: str = "") -> None:
    """Drop what is remembered of a function of a context, or of all of its application.

    What cannot be read or written is let be: it ends by itself.
    """
    path = enginetype.fn_folder(config.variables()) / _FILE
    if not path.exists():
        return
    try:
        with yamlfile.locked(path.with_name(f"{_FILE}.lock")):
            known: Any = json.loads(path.read_bytes())
            entries: dict[str, Any] = known["entries"]
            kept = {id_: each for id_, each in entries.items() if not _is_of(each, context, app, function)}
            if len(kept) < len(entries):
                text = json.dumps({**known, "entries": kept}, indent=2, ensure_ascii=False)
                yamlfile.write_text(path, f"{text}\n", secret=True)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StateError) as error:
        _log.debug("%s is left as it is: %s", path, error)


def _is_of(entry: Any, context: str, app: str, function: str) -> bool:
    key = entry["key"]
    named = function in ("", key["fn_name"])
    # Whichever address and compartment it had then: to ask once more costs little.
    return bool(named and (key["context"], key["app_name"]) == (context, app))
