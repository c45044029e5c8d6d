"""Contexts: which server is meant, in the Fn CLI's own files, so that both tools can be used at once.

``~/.fn/config.yaml`` names the current context, ``~/.fn/contexts/NAME.yaml`` holds each one. Environment
variables win over the files, as with the Fn CLI.
"""

from __future__ import annotations

from nbfn.contexts.context import LOCAL_URL, ORACLE_PROVIDERS, PROVIDERS, Context, check_api_url, check_name
from nbfn.contexts.store import Contexts

__all__ = [
    "LOCAL_URL",
    "ORACLE_PROVIDERS",
    "PROVIDERS",
    "Context",
    "Contexts",
    "check_api_url",
    "check_name",
]
