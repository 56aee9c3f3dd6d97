"""The site with many entries: how long it takes to build, how large it is, how fast its pages are, and their markup.

    python tests/campaigns/site.py [--entries 100] [--work FOLDER]

Makes synthetic submissions on the sample (scored once, kept in FOLDER), builds the site twice and compares the bytes,
opens index, board and entry in Chromium, runs axe on every kind of page in both themes, and where they can be had
the Nu HTML checker (`npm pack vnu-jar`, Java) on every page and Lighthouse (`npx lighthouse`) on three. Writes
docs/evidence/site.{md,json}.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from galaxy_zoo_decals.edition import Edition  # noqa: E402
from leaderboard.__main__ import main as leaderboard  # noqa: E402
from leaderboard.files import write_json  # noqa: E402
from tests.test_leaderboard import fill_in  # noqa: E402
from tests.test_leaderboard_runs import MODELS, write_run  # noqa: E402

EVIDENCE = ROOT / "docs" / "evidence"
BACKBONES = (
    "ResNet-50, ImageNet", "ConvNeXt-Nano, ImageNet", "EfficientNetV2-S, ImageNet", "Encoder trained on votes",
    "ViT-S/16, self-supervised", "MaxViT-T", "Swin-T", "Three-layer CNN",
)  # fmt: skip
BUDGET = {"build_seconds": 60, "page_bytes": 1_500_000, "site_bytes": 40_000_000, "usable_seconds": 1.0}
"""What the site is meant to keep to; sizes with all images of a page."""


def submissions(root: Path, count: int) -> None:
    """Write and score ``count`` submissions of all five models, a quarter of them with three seeds."""
    edition = Path(Edition.open("sample").path)
    shutil.copytree(ROOT / "leaderboard" / "literature", root / "literature")
    shutil.copytree(ROOT / "leaderboard" / "scores" / "references", root / "scores" / "references")
    rng = np.random.default_rng(0)
    for i in range(count):
        model, backbone = list(MODELS)[i % 5], BACKBONES[i % 8]
        facts = {
            "title": backbone,
            "backbone": backbone.split(",")[0].lower(),
            "skill": float(rng.uniform(0.35, 0.85)),
            "train_seconds": float(rng.uniform(30, 9000)),
            "parameters": int(10 ** rng.uniform(5, 8)),
            "device": ("2 CPU cores", "1 NVIDIA H100")[i % 2],
        }
        seeds = range(i * 10, i * 10 + (3 if i % 4 == 0 else 1))
        runs = [write_run(edition, root / "runs" / str(i), model, seed=s, **facts) for s in seeds]
        name = f"{backbone}, variant {i}"
        words = ["submit", *map(str, runs), "--name", name, "--authors", "A. Nonymous", "--root", str(root)]
        if leaderboard([*words, "--date", f"2026{1 + i % 12:02d}{1 + i % 28:02d}"]):
            raise SystemExit(f"{name} could not be submitted")
    for i, folder in enumerate(sorted((root / "submissions").iterdir())):
        fill_in(folder, test_overlap={"status": ("none", "declared", "unknown")[i % 3], "note": "synthetic"})
    if leaderboard(["score", "--root", str(root)]):
        raise SystemExit("not all could be scored")


def build(root: Path, out: Path) -> float:
    """Build the site as a user does, in a process of its own, and return the seconds it took."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "leaderboard", "site", "--root", str(root), "--out", str(out)]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


class Compressed(http.server.SimpleHTTPRequestHandler):
    """Serves files as static hosts do: text is compressed, and a connection is kept for the next file."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Cache-Control", "max-age=600")
        if path.suffix in (".html", ".css", ".js", ".svg", ".xml", ".json"):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def sizes(site: Path) -> dict[str, object]:
    """Return the size of the site and of its heaviest page with all its images."""
    from tests.test_site import Page

    heaviest = ("", 0)
    for path in site.rglob("*.html"):
        images = {(path.parent / r).resolve() for r in Page(path.read_text()).references if r.endswith(".jpg")}
        size = path.stat().st_size + sum(i.stat().st_size for i in images)
        heaviest = max(heaviest, (path.relative_to(site).as_posix(), size), key=lambda p: p[1])
    total = sum(p.stat().st_size for p in site.rglob("*") if p.is_file())
    return {"site_bytes": total, "heaviest_page": heaviest[0], "page_bytes": heaviest[1]}


def kinds(site: Path) -> list[str]:
    """Return one page of each kind."""
    singles = sorted(p.name for p in site.glob("*.html"))
    folders = sorted(p for p in site.iterdir() if p.is_dir())
    data = [f"data/{p.name}" for p in sorted(site.glob("data/*.html"))]
    first = [min(f"{f.name}/{p.name}" for p in f.glob("*.html")) for f in folders if any(f.glob("*.html"))]
    return list(dict.fromkeys([*singles, *first, *data]))


def look(site: Path, pages: list[str], timed: list[str]) -> dict[str, object]:
    """Return seconds until each timed page can be used, and what axe finds on every page in both themes."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    seconds: dict[str, float] = {}
    faults: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in timed:
            found = []
            for _ in range(3):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto((site / name).as_uri(), wait_until="load")
                found.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventStart / 1000"))
                page.close()
            seconds[name] = round(sorted(found)[1], 3)
        for name in pages:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto((site / name).as_uri())
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                options = {"resultTypes": ["violations"], "preload": False}
                for v in Axe().run(page, options=options).response["violations"]:
                    faults.append(f"{name}, {theme}: {v['id']}: {v['nodes'][0]['html'][:120]}")
            page.close()
        browser.close()
    return {"usable_seconds": seconds, "axe_pages": len(pages), "axe": faults}


def checker(site: Path, work: Path) -> dict[str, object]:
    """Return the errors of the Nu HTML checker on all pages; None where it cannot be had."""
    jar = work / "package" / "build" / "dist" / "vnu.jar"
    if not jar.is_file() and shutil.which("npm") and shutil.which("java"):
        subprocess.run(["npm", "pack", "--silent", "vnu-jar"], cwd=work, check=False, capture_output=True)
        for archive in work.glob("vnu-jar-*.tgz"):
            shutil.unpack_archive(archive, work)
    if not jar.is_file():
        return {"html_errors": None}
    words = ["java", "-jar", str(jar), "--errors-only", "--format", "gnu", "--skip-non-html", str(site)]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stderr.splitlines()
    return {"html_errors": [line.replace(site.as_uri(), "") for line in found if "error:" in line]}


def lighthouse(site: Path, names: list[str], work: Path) -> dict[str, object]:
    """Return Lighthouse's scores of some pages, the median of three runs; None where it cannot be had.

    Also its benchmark of the machine, least and largest: a phone is played by slowing the machine down, so a busy
    one tells of itself and not of the page.
    """
    if shutil.which("npx") is None:
        return {"lighthouse": None}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scores: dict[str, dict[str, float]] = {}
    speeds: list[float] = []
    kept = ("performance", "accessibility", "best-practices")
    for name in names:
        runs = []
        for k in range(3):
            out = work / f"lighthouse-{k}.json"
            words = ["npx", "--yes", "lighthouse", f"http://127.0.0.1:{server.server_port}/{name}", "--quiet"]
            words += ["--chrome-flags=--headless=new --no-sandbox", "--output=json", f"--output-path={out}"]
            words += [f"--only-categories={','.join(kept)}"]
            environment = {**os.environ, "CHROME_PATH": shutil.which("chromium") or ""}
            done = subprocess.run(words, cwd=work, env=environment, capture_output=True, timeout=300, check=False)
            if done.returncode or not out.is_file():
                server.shutdown()
                return {"lighthouse": None}
            told = json.loads(out.read_text())
            content = told["categories"]
            speeds.append(told["environment"]["benchmarkIndex"])
            runs.append({c: round(100 * content[c]["score"]) for c in kept})
        scores[name] = {c: sorted(run[c] for run in runs)[1] for c in kept}
    server.shutdown()
    return {"lighthouse": scores, "benchmark_index": [min(speeds), max(speeds)]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "site-campaign")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    root, site, again = args.work / f"leaderboard-{args.entries}", args.work / "site", args.work / "again"
    if not (root / "done").is_file():
        shutil.rmtree(root, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()):
            submissions(root, args.entries)
        (root / "done").touch()
    seconds = [build(root, site), build(root, again)]
    first = {p.relative_to(site): p.read_bytes() for p in site.rglob("*") if p.is_file()}
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    entry = max(site.glob("entries/*.html"), key=lambda p: (p.stat().st_size, p.name)).relative_to(site).as_posix()
    three = ["index.html", "boards/sample-multiclass.html", entry]
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    found = {
        "entries": args.entries,
        "commit": commit or "unknown",
        "pages": len(list(site.rglob("*.html"))),
        "build_seconds": round(min(seconds), 1),
        "same_bytes_twice": first == second,
        **sizes(site),
        **look(site, kinds(site), three),
        **checker(site, args.work),
        **lighthouse(site, three, args.work),
        "budget": BUDGET,
    }
    write_json(EVIDENCE / "site.json", found)
    (EVIDENCE / "site.md").write_text(report(found), encoding="utf-8")
    print(report(found))
    return 0


def report(found: dict) -> str:
    """Return the evidence as Markdown."""
    markup, scores = found["html_errors"], found["lighthouse"]
    lines = [
        f"# The site with {found['entries']} entries",
        "",
        f"Made by `make campaign-site` at commit {found['commit']}. Times are of the machine it ran on and of all else",
        "it did; the rest is not.",
        "",
        "| what | found | meant |",
        "|---|---|---|",
        f"| pages | {found['pages']} | |",
        f"| build, seconds | {found['build_seconds']} | at most {BUDGET['build_seconds']} on two cores |",
        f"| two builds have the same bytes | {'yes' if found['same_bytes_twice'] else 'NO'} | yes |",
        f"| whole site, MB | {found['site_bytes'] / 1e6:.1f} | at most {BUDGET['site_bytes'] / 1e6:.0f} |",
        f"| heaviest page with images, MB | {found['page_bytes'] / 1e6:.2f} ({found['heaviest_page']}) | at most 1.5 |",
        *(f"| {n}: loaded from disk, seconds | {s} | under 1 |" for n, s in found["usable_seconds"].items()),
        f"| axe, {found['axe_pages']} pages in both themes | {len(found['axe'])} faults | none |",
        f"| Nu HTML checker, all pages | {'not run' if markup is None else f'{len(markup)} errors'} | none |",
    ]
    if scores is None:
        lines.append("| Lighthouse | not run | at least 95 |")
    else:
        lines += [f"| Lighthouse, {n} | {' / '.join(map(str, s.values()))} | at least 95 |" for n, s in scores.items()]
        slow, fast = found["benchmark_index"]
        lines += ["", "Lighthouse: performance / accessibility / best practices, median of three runs, its phone."]
        lines += [f"Its own benchmark of the machine meanwhile (`benchmarkIndex`): {slow:.0f} to {fast:.0f}."]
    lines += ["", *(f"- {fault}" for fault in [*found["axe"], *(markup or [])])]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
