"""Every command and option of the Fn CLI 0.6.63, as its sources register them.

A command is a line of words. Its options are written as in those sources: ``name,n`` is ``--name`` and
``-n``, and ``=`` stands before a default that is not empty. Options that nbfn refuses in words are below
``REFUSED``, its commands that it refuses in ``REFUSED_COMMANDS``.
"""

from __future__ import annotations

GLOBAL = "context registry verbose,v version"

_LIMITS = "memory,m timeout idle-timeout config,c annotation"
_TAGS = "tag defined-tag"
_UNTAGS = "remove-tag remove-defined-tag clear-tags clear-freeform-tags clear-defined-tags"
_MODES = "provisioned-concurrency detached-timeout on-success on-failure"
_PARITY = (
    "detached-mode-timeout-in-seconds timeout-in-seconds failure-destination success-destination trace-config"
)
_APP_PARITY = "image-policy-config network-security-group-ids security-attributes trace-config"
_WAIT = "from-json wait-for-state max-wait-seconds wait-interval-seconds"
_LIST = "cursor n=100 output"
_FILTERS = "from-json display-name id lifecycle-state sort-by sort-order"
_INVOKE = (
    "endpoint content-type display-call-id output fn-intent is-dry-run fn-invoke-type=sync"
    " no-endpoint-cache endpoint-cache-ttl"
)

COMMANDS = {
    "build": "verbose,v no-cache build-arg working-dir,w",
    "build-server": "",
    "bump": "major minor verbose,v working-dir,w",
    "change-compartment app": f"compartment-id if-match {_WAIT}",
    "config app": "",
    "config function": "",
    "create app": f"config annotation {_TAGS} syslog-url shape subnet-id {_WAIT} {_APP_PARITY}",
    "create context": "provider=default api-url registry",
    "create function": f"{_LIMITS} {_TAGS} image pbf {_MODES} {_WAIT} {_PARITY}",
    "create trigger": "source,s type,t=http annotation",
    "delete app": f"force,f recursive,r if-match {_WAIT}",
    "delete config app": "",
    "delete config function": "",
    "delete context": "",
    "delete function": f"force,f recursive,r if-match {_WAIT}",
    "delete trigger": "",
    "deploy": "app create-app verbose,v no-cache local,skip-push local-debug registry all no-bump build-arg"
    " working-dir,w",
    "get config app": "",
    "get config function": "",
    "get pbfs": "",
    "get pbfs version": "",
    "init": "name force runtime init-image entrypoint cmd version=0.0.1 working-dir,w trigger"
    f" {_LIMITS} {_TAGS} {_MODES} pbf",
    "inspect app": "",
    "inspect context": "",
    "inspect function": "endpoint",
    "inspect trigger": "",
    "invoke": _INVOKE,
    "list apps": f"{_LIST} {_FILTERS}",
    "list config app": "",
    "list config function": "",
    "list contexts": "output",
    "list functions": f"{_LIST} {_FILTERS}",
    "list pbfs": "limit=10 output search trigger",
    "list pbfs triggers": "limit=10 output",
    "list pbfs versions": "limit=10 output current",
    "list triggers": _LIST,
    "migrate": "",
    "push": "verbose,v registry",
    "start": "log-level detach,d env-file version port,p iofs-dir local-debug local-debug-port",
    "stop": "",
    "unset config app": "",
    "unset config function": "",
    "unset context": "",
    "update app": f"config,c annotation {_TAGS} {_UNTAGS} syslog-url subnet-id if-match"
    f" {_WAIT} {_APP_PARITY}",
    "update context": "delete",
    "update function": f"{_LIMITS} {_TAGS} {_UNTAGS} image pbf {_MODES} clear-on-success clear-on-failure"
    f" if-match {_WAIT} {_PARITY}",
    "update server": "",
    "update trigger": "annotation",
    "use context": "",
    "version": "",
    "watch": "app debounce=500ms ignore",
}

ALIASES = {
    "build": "bu",
    "bump": "bm",
    "config": "cf",
    "create": "c",
    "delete": "d",
    "deploy": "dp",
    "get": "g",
    "help": "h",
    "init": "in",
    "inspect": "i",
    "invoke": "iv",
    "list": "l ls",
    "migrate": "m",
    "push": "p",
    "unset": "un",
    "update": "up",
    "use": "u",
    "watch": "w",
}
NOUNS = {
    "app": "app apps a",
    "context": "context contexts ctx",
    "function": "function functions func funcs f fn",
    "trigger": "trigger triggers trig trigs t tr",
}

REFUSED_COMMANDS = {
    "build-server": "build Fn servers",
    "update server": "pull Fn servers",
}
REFUSED = frozenset({"local-debug", "local-debug-port", "iofs-dir"})
# ``version`` is an option of the function in ``init``; ``pbf`` is one of ``create function`` and ``init``.
REFUSED_OF = {
    "start": frozenset({"version"}),
    "update function": frozenset({"pbf"}),
}
