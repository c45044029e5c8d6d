"""Every Python snippet of the page about calls runs as it stands, top to bottom, over a real executor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.session import Session
from tests.session import running
from tests.session.notebook import Notebook

if TYPE_CHECKING:
    from nbfn.config import Settings

PAGE = Path(__file__).parents[2] / "docs/calls.md"


def test_the_page_about_calls(settings: Settings) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(snippets) > 5
    notebook = Notebook()
    with Session(settings, notebook.cells, notebook.namespace) as session:
        sessions.use(session)
        try:
            for snippet in snippets:
                notebook.run(snippet)
        finally:
            running.stop(settings)
