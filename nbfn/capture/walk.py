"""From a target over everything it uses: the live namespace, turned into pieces of func.py."""

from __future__ import annotations

import ast
import copy
import importlib
import types
import typing
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.capture import closures, drift, limits, origins, pickles, store, texts
from nbfn.capture.compiled import imports_of_code
from nbfn.capture.constants import as_written
from nbfn.capture.definitions import NAMED, Definition, NoSource
from nbfn.capture.explain import Explainer, Part, Site
from nbfn.capture.imports import import_of, inner_imports, submodules
from nbfn.capture.later import changes, move_below_subclasses
from nbfn.capture.literals import is_fixed
from nbfn.capture.live import Live, is_nbfn
from nbfn.capture.loaders import Loaders
from nbfn.capture.local import shipped
from nbfn.capture.marked import Secrets
from nbfn.capture.modules import home_of
from nbfn.capture.names import Use, Uses, uses_of_code, uses_of_node
from nbfn.capture.references import References
from nbfn.capture.source import Piece
from nbfn.errors import BadInput, CaptureError
from nbfn.secrets import Secret
from nbfn.spec import Left, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbfn.capture.bindings import Import
    from nbfn.capture.cells import Cells
    from nbfn.capture.store import Stored

_IN_NOTEBOOK = ("IPython", "ipykernel", "ipywidgets", "traitlets")


class Walk:
    """One capture under way. :meth:`run` fills the public attributes. ``fetched``: not all is installed."""

    def __init__(
        self, namespace: Mapping[str, object], cells: Cells, handler: str, target: object, *, fetched: bool
    ) -> None:
        self._fetched = fetched
        self.pieces: dict[str, Piece] = {}
        self.imports: dict[str, Import] = {}
        """By the name they bind."""
        self.submodules: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.taken: dict[str, Taken] = {}
        self.left: dict[str, Left] = {}
        self.modules: set[str] = set()
        """Top-level packages that the function needs installed."""
        self.preload: set[str] = set()
        self.loads: set[str] = set()
        """Loaders that the pieces use: ``json``, ``pickle``, ``cloudpickle``, and ``func`` for references."""
        self.changed_classes: dict[str, int] = {}
        """Classes whose pieces end in so many lines that set what was changed later."""
        self.future = False
        self.by_value = False
        self.pickles = False
        self._handler = handler
        self.live = Live(namespace, handler, target)
        self.loaders = Loaders(self.live)
        self.cells = cells
        self.explain = Explainer(cells)
        self.secrets = Secrets(self.explain)
        self._queue: deque[tuple[str, Site | None]] = deque()
        self._met: set[str] = set()
        self._first_name: dict[int, str] = {}
        self._keep: list[object] = []  # what ``_first_name`` knows by id stays alive
        self._undefined: list[tuple[Use, Site]] = []
        self._stores: set[str] = set()

    def run(self) -> None:
        """Take the target and all it needs.

        Raises:
            CaptureError: something cannot travel.
            RequirementError: an import of something that is not installed.
        """
        self.want(self._handler, None)
        while self._queue:
            name, site = self._queue.popleft()
            self._take(name, self.live.get(name), site)
        for use, site in self._undefined:
            if use.name not in self._stores:
                raise self.explain.undefined(use.name, site, self.live.names())
        move_below_subclasses(self)
        if sum(map(len, self.files.values())) > limits.TOTAL_MAX_BYTES:
            raise self.explain.too_much(self.files)

    # -- names ---------------------------------------------------------------------------------

    def want(self, name: str, site: Site | None) -> None:
        if name not in self._met:
            self._met.add(name)
            self._queue.append((name, site))

    def _use(self, use: Use, site: Site) -> bool:
        """Follow one use of a global name; False if nothing has to be there for it."""
        name, live = use.name, self.live
        if name not in live:
            if use.needed and not live.is_builtin(name):
                if name in ("display", "get_ipython"):
                    raise self.explain.notebook_only(name, live.get(name), site)
                self._undefined.append((use, site))
            elif not use.needed and not live.is_builtin(name):
                self._leave(name, f"only an annotation of {site.owner} speaks of it")
            return False
        value = live.get(name)
        if not use.needed and not isinstance(value, (type, types.ModuleType, *origins.TYPE_WORDS)):
            self._leave(name, f"only an annotation of {site.owner} speaks of it")
            return False
        if isinstance(value, types.ModuleType):
            self.submodules.update(submodules(value, use.chain, self.cells))
        self.want(name, site)
        return True

    def follow(self, uses: Uses, owner: str, filename: str, text: str = "") -> list[tuple[str, bool]]:
        """Follow all uses of a piece; what it needs, in order."""
        self._stores |= uses.stores
        return [
            (use.name, use.at_once)
            for use in uses.loads
            if self._use(use, Site(owner, filename, use.line, text))
        ]

    # -- one thing -----------------------------------------------------------------------------

    def _take(self, name: str, value: object, site: Site | None) -> None:
        if isinstance(value, Secret):
            self._take_secret(name, value, site)
            return
        self._refuse_machinery(name, value, site)
        line = import_of(name, value, self.cells, self.live.main)
        if line is not None:
            self.bring(line, name)
            return
        if isinstance(value, types.ModuleType):
            raise self.explain.unfit(name, value, site)
        if self._is_alias(name, value) or self._is_member(name, value, site):
            return
        try:
            definition = origins.definition(name, value, self.live, self.cells)
        except NoSource as reason:
            self._by_value(name, value, site, str(reason))
            return
        if definition is None:
            self._value(name, value, site)
            return
        try:
            self._define(name, definition, value, site)
        except NoSource as reason:
            self._by_value(name, value, site, str(reason))

    def _refuse_machinery(self, name: str, value: object, site: Site | None) -> None:
        kind = value if isinstance(value, type) else type(value)
        if isinstance(value, types.MethodType):
            kind = type(value.__self__)
        if is_nbfn(value) or kind.__module__.partition(".")[0] == "nbfn":
            raise self.explain.machinery(name, value, site)
        if kind.__module__.partition(".")[0] in _IN_NOTEBOOK:
            raise self.explain.notebook_only(name, value, site)

    def _is_alias(self, name: str, value: object) -> bool:
        """Bind a second name of the same object by ``name = first``."""
        if is_fixed(value):
            return False
        own = getattr(value, "__name__", None)
        first = self._first_name.setdefault(id(value), name)
        self._keep.append(value)
        if first == name and isinstance(own, str) and own != name and self.live.get(own, None) is value:
            first = self._first_name[id(value)] = own
            self.want(own, None)
        if first == name:
            return False
        self.pieces[name] = Piece.of_text(name, f"{name} = {first}", [first])
        return True

    def _is_member(self, name: str, value: object, site: Site | None) -> bool:
        """Bind a method of something that has a name by ``name = thing.method``."""
        names = References(self, name, value, site)
        text = names.member(value)
        if text is not None:
            self.pieces[name] = Piece(name, ((0, f"{name} = {text}"),), needs=tuple(names.needs))
        return text is not None

    # -- functions and classes -----------------------------------------------------------------

    def _define(self, name: str, definition: Definition, value: object, site: Site | None) -> None:
        for stale in drift.stale_names(definition, value, self.live):
            if stale.name not in definition.free:
                raise self._stale(name, stale, definition)
        kept = origins.own_decorators(definition, self.live)
        node = copy.copy(definition.node)
        if isinstance(node, NAMED):
            node.decorator_list = kept
        stripped = frozenset(
            line
            for decorator in definition.decorators
            if decorator not in kept
            for line in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
        )
        more: list[tuple[str, bool]] = []
        apart = closures.held_apart(self, definition, name, value)
        if apart and isinstance(value, types.FunctionType):
            lines, more = closures.factory(self, name, definition, value, apart, site)
        else:
            lines = texts.text_of(definition, name=name, without=stripped)
        after, later = changes(self, name, definition, value)
        if isinstance(value, type) and after:
            self.changed_classes[name] = len(after)
        uses = uses_of_node(node, flags=definition.flags).without(apart)
        needs = self.follow(uses, name, definition.filename, definition.text)
        self._inner_imports(inner_imports(node), name, definition.filename, definition.text)
        self.future |= definition.future_annotations
        self.pieces[name] = Piece(
            name,
            (*lines, *((0, line) for line in after)),
            definition.filename,
            tuple(needs + more + later),
            block=isinstance(definition.node, NAMED) or bool(apart),
        )
        kind: typing.Literal["class", "function", "constant"] = (
            "class"
            if isinstance(value, type)
            else "constant"
            if isinstance(value, origins.TYPE_WORDS)
            else "function"
        )
        for decorator in definition.decorators:
            if decorator not in kept:
                self._leave(f"@{ast.unparse(decorator)}", "it deploys; that stays in the notebook")
        note = self.explain.note(name)
        cell = self.cells.of_file(definition.filename)
        origin = cell.label if cell else Path(definition.filename).name
        self.taken[name] = Taken(name, kind, origin, sum(len(line) + 1 for _, line in lines), note)

    def _leave(self, name: str, reason: str) -> None:
        self.left.setdefault(name, Left(name, reason))

    def _stale(self, name: str, stale: drift.Stale, definition: Definition) -> CaptureError:
        site = Site(name, definition.filename, stale.line, definition.text)
        cell = self.cells.of_file(definition.filename)
        again = cell.label if cell and cell.number is not None else f"the cell that defines {name}"
        return self.explain.refused(
            stale.name,
            self.live.get(stale.name),
            site,
            f"is not what {name} was defined with ({stale.role})",
            f"run {again} again, so that both agree",
        )

    def _inner_imports(
        self, found: Iterable[tuple[str, int, bool]], name: str, filename: str, text: str = ""
    ) -> None:
        for module, line, guarded in found:
            home = home_of(module)
            site = Site(name, filename, line, text)
            if module.partition(".")[0] == "nbfn":
                raise self.explain.machinery("nbfn", importlib.import_module("nbfn"), site)
            if home.kind != "missing":
                self._module(module, preload=not guarded)
            elif guarded:
                self._leave(module, f"{name} can do without it, and it is not installed here")
            elif not self._fetched:  # which package brings which module is not known of what is not here
                raise self.explain.not_installed(module, site)

    def _by_value(self, name: str, value: object, site: Site | None, reason: str) -> None:
        """Something without source: its code goes into a cloudpickle, its global names stay in func.py."""
        self.check_limits(name, value, site)
        names = References(self, name, value, site)
        met: set[types.CodeType] = set()

        def code_met(function: types.FunctionType) -> None:
            code = function.__code__
            if code not in met:
                met.add(code)
                names.needs += self.follow(uses_of_code(code), name, code.co_filename)
                self._inner_imports(imports_of_code(code), name, code.co_filename)

        def stored() -> Stored:
            why = f"{name} {reason}, so it travels as compiled code"
            return store.by_value(name, value, self.loaders, names.refer, self.live.main, code_met, why)

        self.by_value = True
        self.loads.add("func")  # where the code finds its globals
        self._store(name, value, self._pickled(stored, name, value, names), names.needs)

    # -- values --------------------------------------------------------------------------------

    def _value(self, name: str, value: object, site: Site | None) -> None:
        self.check_limits(name, value, site)
        names = References(self, name, value, site)
        stored = store.as_text(name, value, self.loaders, names.spelled)
        if stored is None:
            names = References(self, name, value, site)
            try:
                stored = self._pickled(
                    lambda: store.as_pickle(name, value, self.loaders, names.refer), name, value, names
                )
            except CaptureError:
                if not names.sourceless:
                    raise
                self._by_value(name, value, site, "holds code that has no source of its own")
                return
        self._store(name, value, stored, names.needs)

    def _pickled(self, stored: Callable[[], Stored], name: str, value: object, names: References) -> Stored:
        """What ``stored`` gives; its failures name the part of ``value`` that is to blame."""
        try:
            return stored()
        except pickles.TooLarge:
            raise self.explain.too_large(name, value, limits.VALUE_MAX_BYTES, names.site) from None
        except BadInput:
            raise
        except Exception as error:
            path, part = pickles.culprit(name, value, names.refer)
            raise self.explain.unfit(name, value, names.site, path=path, part=part, error=error) from error

    def _store(self, name: str, value: object, stored: Stored, needs: list[tuple[str, bool]]) -> None:
        lines, filename = as_written(name, stored.text, self.cells)
        empty, filled = store.in_two_steps(name, value, stored.text)
        self.pieces[name] = Piece(
            name, tuple(lines), filename, needs=tuple(needs), empty=empty, filled=filled
        )
        made = self.explain.made_in(name) or "the notebook"
        self.taken[name] = Taken(
            name, stored.kind, made, len(stored.data), self.explain.note(name, len(stored.data))
        )
        if stored.path:
            self.files[stored.path] = stored.data
        if stored.kind == "data":
            self.loads.add("json")
        elif stored.kind == "pickle":
            self.loads.add("cloudpickle" if "cloudpickle" in stored.modules else "pickle")
            for module in sorted(stored.modules - {self.live.main, "__main__"}):
                self._module(module.partition(".")[0], preload=True)
                self.pickles |= home_of(module).kind == "package" and module != "cloudpickle"

    def _take_secret(self, name: str, value: Secret, site: Site | None) -> None:
        self.loads.add("os")
        variable = self.secrets.variable(value, name, site)
        self.pieces[name] = Piece.of_text(name, f"{name} = {self.loaders.secret(variable)}")
        made = self.explain.made_in(name) or "the notebook"
        self.taken[name] = Taken(name, "secret", made, note=f"{variable} of the function's config")

    def check_limits(self, name: str, value: object, site: Site | None) -> None:
        """Raises CaptureError for a value that is too large, or holds a secret that is not marked."""
        for path, marked in limits.marked_in(name, value):
            self.secrets.variable(marked, path, site)
        secret = limits.secret_in(name, value)
        if secret is not None:
            raise self.explain.secret(name, secret, value, site)
        size = limits.estimated_size(value)
        if size > limits.VALUE_MAX_BYTES:
            raise self.explain.too_large(name, value, size, site)

    def adopt(self, value: object, owner: str) -> str | None:
        """A name for a function or class that none leads to, taken from where it is defined; None without.

        ``owner`` is the value that holds it.
        """
        own = getattr(value, "__name__", "")
        try:
            if origins.definition(own, value, self.live, self.cells) is None:
                return None
        except NoSource:
            return None
        free = own.isidentifier() and own not in self.live
        name = self.live.adopt(own if free else f"{owner}_{own.strip('<>')}", value)
        self.explain.parts[name] = Part(owner, self.live.get(owner), None, "")
        return name

    # -- imports -------------------------------------------------------------------------------

    def bring(self, line: Import, name: str) -> None:
        self._met.add(name)
        self.imports[name] = line
        self._module(line.module, preload=True)
        self.taken[name] = Taken(name, "import", home_of(line.module).origin)

    def _module(self, module: str, *, preload: bool) -> None:
        home = home_of(module)
        if home.kind == "package":
            self.modules.add(module.partition(".")[0])
            self.preload |= {module} if preload else set()
        elif home.kind == "local":
            files, others = shipped(module)
            self.files |= files
            self.modules |= others
