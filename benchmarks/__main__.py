"""``make bench``: prints the table, writes ``benchmarks/latest.json``.

``python -m benchmarks images`` measures a part of it, ``--only array-10mb`` a row; neither writes anything.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import containers, images, suite
from benchmarks.measure import tell
from nbfn import config, session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measure import Row

PARTS = {
    "calls": "cold and warm calls, values, memory, imports",
    "containers": "the same function by Docker, and a changed line until its first answer",
    "images": "code to a registry beside docker build and docker push",
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure nbfn beside its peers, in one run (docs/benchmarks.md).",
        epilog="\n".join(f"  {name:<12}{what}" for name, what in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="only this; then latest.json stays as it is")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="ROW", help="of the calls, only these; warm is all warm ones"
    )
    given = parser.parse_args(argv)
    wanted, only = given.parts, given.only
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if only and wanted not in ([], ["calls"]):
        parser.error("--only picks rows of calls, and of no other part")
    if unknown := set(only) - set(suite.ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {', '.join(suite.ROWS)}")
    with tempfile.TemporaryDirectory(prefix="nbfn-b-") as state:
        mine = session.Session(config.load(state=state, linger_s=5.0))
        session.use(mine)
        try:
            parts = (_part(name, mine) for name in wanted or PARTS)
            rows = suite.rows(mine, only) if only else itertools.chain.from_iterable(parts)
            tell(rows, None if wanted or only else Path(__file__).with_name("latest.json"))
        finally:
            suite.stop(mine)


def _part(name: str, mine: session.Session) -> Iterator[Row]:
    if name == "calls":
        yield from suite.rows(mine)
    elif name == "containers":
        yield from containers.rows(mine)
    elif lacking := images.missing():
        print(f"without the rows of images: {lacking}", file=sys.stderr)
    else:
        yield from images.rows()


if __name__ == "__main__":
    main()
