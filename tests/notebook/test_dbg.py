import nbformat, pytest
from tests.notebook.test_tour import TOUR
pytestmark=[pytest.mark.timeout(300)]
def test_dbg(lab):
    tour = nbformat.read(TOUR, as_version=4)
    page = lab.show("tour", tour, height=6000)
    for i in range(3): lab.run(page, i)
    page.wait_for_timeout(3000)
    print("LIVE", page.locator(".nbfn-live").count(), page.locator(".nbfn-card").count(), page.locator(".nbfn-live .nbfn-card").count())
    print(page.locator(".jp-OutputArea-output").first.evaluate("e=>e.outerHTML")[:600])
