"""How large a page is, and how fast: a result of 16 layers, 20 patterns and 1,000 pictures, made up, in Chromium.

Beside it a page of four studies of 10 conditions, 5 ranks and 5 seeds, with the patterns of a network of each.

Opening is timed from the beginning of the navigation to the first frame in which all views stand; a selection from the
address that changes to the end of the next frame. Sizes are bytes of the file: of a page without results (script,
style, summary), of the whole, and of its parts in it, as base64 and JSON.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from cnn_probe.report.document.fitting import fitted
from cnn_probe.report.document.packing import as_script
from cnn_probe.report.document.shell import bundled, render
from coupled_nmf import atomic_open

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

ROUNDS = 5
SELECTED = ("#factor-2", "#factor-7", "#class-3", "#input-7", "#unit-layer1.0.relu-4", "#walk/factor-9", "#all")
STUDIED = ("#factor-2", "#class-3", "#input-7", "#study-3", "#chart-2-error-relu2", "#condition-4/factor-2")
ADDRESSES = {"page": SELECTED, "studies": STUDIED}
OPENED = """() => new Promise((done) => { const look = () => document.cnnProbe
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 2); look(); })"""
SELECTING = """(hash) => new Promise((done) => { addEventListener("hashchange",
      () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began))), { once: true });
    const link = document.body.appendChild(Object.assign(document.createElement("a"), { href: hash }));
    const began = performance.now(); link.click(); link.remove(); })"""


def measure():
    from large_page import large_document
    from large_studies import large_studies

    document = large_document()
    pages = {"page": render(document, mark="own"), "studies": render(large_studies(), mark="own")}
    figures = {"bytes": {**sizes(document, pages["page"]), "studies": len(pages["studies"].encode())}}
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if path is None:
        sys.exit("page needs Chromium or Chrome on PATH.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        figures["chromium"] = browser.version
        for name, html in pages.items():
            page_file = Path(folder) / f"{name}.html"
            with atomic_open(page_file) as file:
                file.write(html.encode())
            address, figure = page_file.as_uri(), "milliseconds" if name == "page" else f"milliseconds, {name}"
            figures[figure] = {width: times(browser, address, width, ADDRESSES[name]) for width in (1400, 320)}
        browser.close()
    print(json.dumps(figures), flush=True)
    return figures


def sizes(document, html):
    """What a page takes, and what of it each part does."""
    (result,) = fitted(document)["results"]
    parts = {
        "pictures": result["inputs"]["pictures"]["source"],
        "inputs": as_script({**result["inputs"], "pictures": None}),
        "maps of layers": as_script({"maps": [{"maps": one["maps"]} for one in result["layers"]]}),
        "shares of channels": as_script({"layers": [{**one, "maps": None} for one in result["layers"]]}),
        "units": as_script({"units": result["units"]}),
        "factors": as_script(result["factors"]),
    }
    shell = render({**document, "results": []}, mark="own")
    return {"page": len(html.encode()), "shell": len(shell.encode()), "script": len(bundled().encode())} | {
        name: len(text.encode()) for name, text in parts.items()
    }


def times(browser, address, width, addresses):
    opened, selected = [], {one: [] for one in addresses}
    for _ in range(ROUNDS):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        page = context.new_page()
        page.goto(address, wait_until="commit")
        opened.append(page.evaluate(OPENED))
        page.wait_for_timeout(500)
        for one in addresses:
            selected[one].append(page.evaluate(SELECTING, one))
            page.wait_for_timeout(100)
        context.close()
    return {"opened": summary(opened), "selected": {one: summary(found) for one, found in selected.items()}}


def summary(values):
    return {"median": round(float(np.median(values)), 1), "min": round(min(values), 1), "max": round(max(values), 1)}
