"""How far simulated galaxies are from real GZ DECaLS images: measured differences, profiles, a classifier of both.

    python tests/campaigns/simulation_realism.py [--galaxies 60] [--real FOLDER] [--sheets FOLDER]

The real images are featured face-on galaxies, half of them with rings, so the simulated ones are drawn to match.
Both sides are encoded twice with the JPEG table of the real ones. Writes docs/evidence/simulation-realism.md,
unless only some of the real images are used.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import multiprocessing
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from galaxy_zoo_decals.simulation import colour
from galaxy_zoo_decals.simulation.colour import CUTOUT_PIXELS
from galaxy_zoo_decals.simulation.scene import VERSION, Scene, draw_scene, render
from galaxy_zoo_decals.simulation.telescope import NATIVE_ARCSEC, add_noise, draw_conditions
from galaxy_zoo_decals.simulation.vote_model import answer_probabilities

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "decals-examples"
EVIDENCE = ROOT / "docs" / "evidence" / "simulation-realism.md"
HISTORY = EVIDENCE.with_suffix(".json")
"""Balanced accuracy by version of the simulator."""
CORNER = 60
"""Side in pixels of the corner in which the sky is measured."""

FEATURES = (
    "sky level, red",
    "sky level, green",
    "sky level, blue",
    "sky rms, red",
    "sky rms, green",
    "sky rms, blue",
    "colour of the noise (max - min)",
    "noise correlation at 1 px",
    "noise correlation at 2 px",
    "noise correlation at 3 px",
    "half-light radius, px",
    "concentration r80 / r20",
    "axis ratio",
    "peak level",
    "mean level of the galaxy",
    "roughness of the galaxy",
    "g - r of the galaxy",
    "r - z of the galaxy",
    "g - r gradient",
    "neighbours",
    "neighbours' share of pixels",
    "g - r of neighbours",
    "scatter of neighbours' g - r",
    "sharpest neighbour, px",
)

RADII = (0, 0.2, 0.5, 1, 1.5, 2, 3)
"""Edges of the elliptical rings of the profiles, in half-light radii."""
PROFILES = ("brightness in r", "g - r", "r - z", "structure")
"""Of each ring: flux in r (nanomaggies a native pixel; the mean, beyond one half-light radius the median, since there
neighbours lie in the ring), colours, and the spread of grey levels around it."""


def fluxes(levels: np.ndarray) -> np.ndarray:
    """Return the scaled fluxes that the colour recipe shows as these levels, 0 to 255, were they not drawn to grey."""
    span = np.arcsinh(colour.HIGH) - np.arcsinh(colour.LOW)
    scaled: np.ndarray = np.sinh(levels / 255 * span + np.arcsinh(colour.LOW))
    return scaled


def quietest_corner(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the corner with the least scatter, its median level and its robust r.m.s. in each channel."""
    corners = [a[r, c] for r in (slice(CORNER), slice(-CORNER, None)) for c in (slice(CORNER), slice(-CORNER, None))]
    sky = min(corners, key=lambda x: float(np.median(np.abs(x - np.median(x, axis=(0, 1))))))
    level = np.median(sky, axis=(0, 1))
    return sky, level, np.maximum(1.4826 * np.median(np.abs(sky - level), axis=(0, 1)), 1.0)


def segments(a: np.ndarray, sky: np.ndarray, rms: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Return the labels of all that rises above the sky, their number, and the mask of the galaxy in the middle."""
    smooth = ndimage.gaussian_filter(a.mean(axis=2), 2)
    labels, count = ndimage.label(smooth > np.median(sky.mean(axis=2)) + 1.2 * rms.mean())
    middle = labels[207:217, 207:217].ravel()
    own = labels == np.bincount(middle[middle > 0]).argmax() if (middle > 0).any() else np.zeros_like(labels, bool)
    return labels, count, own


def profile(picture: np.ndarray) -> np.ndarray:
    """Return ``PROFILES`` of an RGB image of 424 pixels in the rings of ``RADII``, shape (4, rings); NaN without one.

    The rings are ellipses of the galaxy's own axis ratio and direction.
    """
    a = picture.astype(float)
    sky, level, rms = quietest_corner(a)
    own = segments(a, sky, rms)[2]
    out = np.full((len(PROFILES), len(RADII) - 1), np.nan)
    if own.sum() < 50:
        return out
    flux = fluxes(a) - fluxes(level)
    rows, columns = np.nonzero(own)
    weight = np.maximum(flux.mean(axis=2)[own], 0)
    dy, dx = rows - 211.5, columns - 211.5
    cxx, cyy, cxy = (float((weight * p).sum() / weight.sum()) for p in (dx * dx, dy * dy, dx * dy))
    root, turn = np.hypot((cxx - cyy) / 2, cxy), 0.5 * np.arctan2(2 * cxy, cxx - cyy)
    ratio = np.sqrt(max((cxx + cyy) / 2 - root, 1e-9) / ((cxx + cyy) / 2 + root))
    y, x = np.mgrid[-211.5:212.5, -211.5:212.5]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    radius = np.hypot(along * np.sqrt(ratio), across / np.sqrt(ratio))
    order = np.argsort(radius[own])
    growth = np.cumsum(weight[order]) / weight.sum()
    half = radius[own][order][np.searchsorted(growth, 0.5)]
    grey = ndimage.gaussian_filter(a.mean(axis=2), 1.5)
    for i, (low, high) in enumerate(itertools.pairwise(RADII)):
        ring = (radius >= low * half) & (radius < high * half)
        if ring.sum() < 3:
            continue
        seen = flux[ring].mean(axis=0) if high <= 1 else np.median(flux[ring], axis=0)
        out[:, i] = max(seen[1] / colour.SCALES[1], 0), *_magnitudes(seen), grey[ring].std()
    return out


def measure(picture: np.ndarray) -> np.ndarray:
    """Return the values of ``FEATURES`` of an RGB image of 424 pixels."""
    a = picture.astype(float)
    sky, level, rms = quietest_corner(a)
    grey = np.clip(sky.mean(axis=2) - sky.mean(axis=2).mean(), -3 * rms.mean(), 3 * rms.mean())
    correlation = [float(np.mean(grey[:, :-k] * grey[:, k:]) / np.mean(grey**2)) for k in (1, 2, 3)]
    flux = fluxes(a) - fluxes(level)
    mean = flux.mean(axis=2)
    labels, count, own = segments(a, sky, rms)
    return np.array(
        [
            *level,
            *rms,
            float(np.median(sky.max(axis=2) - sky.min(axis=2))),
            *correlation,
            *_galaxy(a, flux, mean, own),
            *_neighbours(flux, labels, count, own),
        ]
    )


def _magnitudes(flux: np.ndarray) -> tuple[float, float]:
    """Return g - r and r - z of summed scaled fluxes (red is z, green r, blue g)."""
    z, r, g = np.maximum(flux, 1e-3) / np.array(colour.SCALES[::-1])
    return float(-2.5 * np.log10(g / r)), float(-2.5 * np.log10(r / z))


def _galaxy(a: np.ndarray, flux: np.ndarray, mean: np.ndarray, own: np.ndarray) -> list[float]:
    if own.sum() < 50:
        return [np.nan] * 9
    rows, columns = np.nonzero(own)
    weight = np.maximum(mean[own], 0)
    y0, x0 = 211.5, 211.5
    order = np.argsort(np.hypot(rows - y0, columns - x0))
    growth = np.cumsum(weight[order]) / weight.sum()
    radius = np.hypot(rows - y0, columns - x0)[order]
    r20, r50, r80 = (float(radius[np.searchsorted(growth, q)]) for q in (0.2, 0.5, 0.8))
    dy, dx = rows - y0, columns - x0
    cxx, cyy, cxy = (float((weight * p).sum() / weight.sum()) for p in (dx * dx, dy * dy, dx * dy))
    root = np.hypot((cxx - cyy) / 2, cxy)
    ratio = np.sqrt(max((cxx + cyy) / 2 - root, 0) / ((cxx + cyy) / 2 + root))
    grey = a.mean(axis=2)
    rough = (ndimage.gaussian_filter(grey, 2) - ndimage.gaussian_filter(grey, 6))[own].std()
    inner, outer = own.copy(), own.copy()
    distance = np.hypot(*np.ogrid[-y0 : 424 - y0, -x0 : 424 - x0])
    inner &= distance < r50
    outer &= distance >= r50
    g_r, r_z = _magnitudes(flux[own].sum(axis=0))
    gradient = _magnitudes(flux[outer].sum(axis=0))[0] - _magnitudes(flux[inner].sum(axis=0))[0]
    centre = ndimage.gaussian_filter(grey, 2)[200:224, 200:224].max()
    return [
        r50,
        r80 / max(r20, 1),
        float(ratio),
        float(centre),
        float(grey[own].mean()),
        float(rough),
        g_r,
        r_z,
        gradient,
    ]


def _neighbours(flux: np.ndarray, labels: np.ndarray, count: int, own: np.ndarray) -> list[float]:
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    found = [k for k in range(1, count + 1) if sizes[k] >= 40 and not own[labels == k].any()]
    colours = [_magnitudes(flux[labels == k].sum(axis=0))[0] for k in found]
    colours = [c for c in colours if abs(c) < 4]
    share = sum(int(sizes[k]) for k in found) / labels.size
    blobs = [np.sqrt(sizes[k] / np.pi) for k in found]
    if len(colours) < 2:
        return [len(found), share, np.nan, np.nan, np.nan]
    return [len(found), share, float(np.median(colours)), float(np.std(colours)), float(min(blobs))]


def encode_twice(image: Image.Image, tables: dict[int, list[int]]) -> np.ndarray:
    """Return the pixels after two rounds of JPEG with these quantisation tables and 4:2:0 chroma."""
    for _ in range(2):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", qtables=tables, subsampling=2)
        image = Image.open(io.BytesIO(buffer.getvalue()))
        image.load()
    return np.asarray(image.convert("RGB"))


def scale_calibration(tables: dict[int, list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel scales in arcsec and how strongly empty sky correlates at 1 px when it is shown at them.

    The scales of the real cutouts are not known here, but the noise of the native pixels is white.
    """
    rng = np.random.default_rng(0)
    scales = np.linspace(0.1, 0.26, 9)
    correlations = []
    for scale in scales:
        n = round(CUTOUT_PIXELS * scale / NATIVE_ARCSEC)
        values = []
        for _ in range(6):
            sky = np.zeros((3, n, n), np.float32)
            add_noise(rng, sky, draw_conditions(rng), NATIVE_ARCSEC)
            picture = encode_twice(Image.fromarray(colour.to_cutout(colour.to_rgb(sky))), tables)
            values.append(measure(picture)[FEATURES.index("noise correlation at 1 px")])
        correlations.append(float(np.mean(values)))
    return scales, np.array(correlations)


@dataclass(frozen=True)
class Wanted:
    """What one real galaxy asks of its simulated counterpart."""

    ring: bool
    scale_arcsec: float


def candidate(index: int, seed: int) -> Scene | None:
    """Return scene ``index`` if it may be featured and face-on, as the real sample is, without rendering it."""
    scene = draw_scene(seed, index)
    disc = scene.galaxy.disc
    if disc is None or disc.cos_inclination < 0.4:
        return None
    return scene if scene.fault == "none" and not scene.wrong_size else None


def rendered(scene: Scene, tables: dict[int, list[int]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return picture and features of a scene, encoded as the real ones, if volunteers would call it featured."""
    cutout = render(scene)
    expected = answer_probabilities(scene.galaxy, scene.encounter, scene.fault, cutout.visibility)
    if expected["smooth-or-featured"][1] < 0.5 or expected["disk-edge-on"][0] > 0.3:
        return None
    picture = encode_twice(Image.fromarray(cutout.image), tables)
    return picture, measure(picture)


def draw_matched(
    wanted: list[Wanted], seed: int, processes: int, tables: dict[int, list[int]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return picture and features of one simulated galaxy for each real one, of like scale and ring."""
    found: list[tuple[np.ndarray, np.ndarray] | None] = [None] * len(wanted)
    scenes = (s for s in (candidate(i, seed) for i in itertools.count()) if s is not None)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        while any(f is None for f in found):
            open_ = [k for k, f in enumerate(found) if f is None]
            pairs: list[tuple[int, Scene]] = []
            for scene in itertools.islice(scenes, 4000):
                ring, scale = scene.galaxy.ring is not None, scene.pixel_scale_arcsec
                for k in open_:
                    if wanted[k].ring == ring and abs(np.log(scale / wanted[k].scale_arcsec)) < 0.06:
                        pairs.append((k, scene))
                        open_.remove(k)
                        break
                if not open_:
                    break
            results = pool.imap(partial(rendered, tables=tables), [scene for _, scene in pairs], chunksize=4)
            for (k, _), result in zip(pairs, results):
                found[k] = result
            print(f"{sum(f is not None for f in found)} of {len(found)} matched", file=sys.stderr)
    return [f for f in found if f is not None]


def tell_apart(real: np.ndarray, simulated: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Return the balanced accuracy of telling real from simulated by these features, with its 95 % interval.

    Nested cross-validation: five folds; inside each, three more choose between a linear model and boosted trees
    and their settings. The interval is a bootstrap over galaxies of the predictions for the outer folds.
    """
    x, y = np.vstack([real, simulated]), np.repeat([0, 1], [len(real), len(simulated)])
    pipeline = Pipeline(
        [("fill", SimpleImputer()), ("scale", StandardScaler()), ("model", LogisticRegression(max_iter=2000))]
    )
    grid = [
        {"model": [LogisticRegression(max_iter=2000)], "model__C": [0.03, 0.3, 3.0]},
        {
            "model": [HistGradientBoostingClassifier(learning_rate=0.05, random_state=seed)],
            "model__max_iter": [60, 150],
            "model__max_leaf_nodes": [4, 12],
        },
    ]
    inner, outer = (StratifiedKFold(k, shuffle=True, random_state=seed) for k in (3, 5))
    search = GridSearchCV(pipeline, grid, scoring="balanced_accuracy", cv=inner)
    right = cross_val_predict(search, x, y, cv=outer) == y

    def balanced(rows: np.ndarray) -> float:
        return float((right[rows][y[rows] == 0].mean() + right[rows][y[rows] == 1].mean()) / 2)

    rng = np.random.default_rng(seed)
    draws = [balanced(rng.integers(0, len(y), len(y))) for _ in range(2000)]
    return balanced(np.arange(len(y))), *(float(q) for q in np.percentile(draws, [2.5, 97.5]))


def separations(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """Return the balanced accuracy of the best single threshold on each feature, in the sample."""
    best = []
    for a, b in zip(real.T, simulated.T):
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
        cuts = np.unique(np.concatenate([a, b]))
        below = np.searchsorted(np.sort(a), cuts) / len(a) - np.searchsorted(np.sort(b), cuts) / len(b)
        best.append(0.5 + 0.5 * np.abs(below).max())
    return np.array(best)


def sheet(pictures: list[np.ndarray], columns: int = 8, side: int = 212) -> Image.Image:
    """Return a contact sheet."""
    page = Image.new("RGB", (columns * side, -(-len(pictures) // columns) * side))
    for k, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture).resize((side - 3, side - 3)), (k % columns * side, k // columns * side))
    return page


def report(
    real: np.ndarray,
    simulated: np.ndarray,
    shapes: tuple[np.ndarray, np.ndarray],
    rings: np.ndarray,
    history: dict[str, list[float]],
) -> str:
    """Return the evidence as Markdown, from features and profiles of both and which galaxies are ringed."""
    lines = [
        "# Simulated against real galaxies",
        "",
        f"{len(real)} published GZ DECaLS cutouts (featured, face-on, half of them ringed) against as many simulated",
        f"ones (simulator version {VERSION}) of the same pixel scale and share of rings, which their volunteers would",
        "call featured and not edge-on. Both encoded twice with the JPEG table of the real ones. Made by",
        "`python tests/campaigns/simulation_realism.py`. The scale of a real cutout is read off the grain of its",
        "noise, so the row `noise correlation at 1 px` is matched by construction; the real seeing, depth and sky",
        "level were used to set the simulator, so their rows show the fit, not a prediction.",
        "",
        "| feature | real median | quartiles | simulated | difference | within aim | one-feature accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    inside = 0
    for name, a, b, alone in zip(FEATURES, real.T, simulated.T, separations(real, simulated)):
        low, middle, high = np.nanpercentile(a, [25, 50, 75])
        other = np.nanmedian(b)
        good = low <= other <= high or abs(other - middle) <= 0.1 * abs(middle)
        inside += good
        lines.append(
            f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {other:.2f} | {other - middle:+.2f} "
            f"| {'yes' if good else 'no'} | {alone:.2f} |"
        )
    lines += [
        "",
        f"{inside} of {len(FEATURES)} medians lie within 10 % of the real one or inside the real interquartile range.",
        "",
        "A classifier on these features (nested cross-validation, linear model or boosted trees) tells real from",
        "simulated with a balanced accuracy of",
        "",
        "| simulator version | balanced accuracy | 95 % interval |",
        "|---|---|---|",
        *(f"| {v} | {a:.3f} | {low:.3f} to {high:.3f} |" for v, (a, low, high) in history.items()),
        "",
        "0.5 would be indistinguishable. The difference holds what the simulator lacks and what the selection of the",
        "real sample (by a search for rings) and of the simulated one do not share. The simulator was tuned with these",
        "very images in view; other draws are of simulated galaxies that it was not tuned with.",
        "",
    ]
    for ringed, name in ((True, "ringed"), (False, "other")):
        lines += [
            f"## Profiles, {name} galaxies",
            "",
            f"Medians over the {name} galaxies in elliptical rings whose edges are given in half-light radii: "
            "brightness in r (nanomaggies a native pixel of 0.262 arcsec), colours, and how much grey levels vary "
            "around the ring. The real sample came without magnitudes, so that brightness cannot be matched.",
            "",
            f"| | | {' | '.join(f'{low:g} to {high:g}' for low, high in itertools.pairwise(RADII))} |",
            f"|---|---|{'---|' * (len(RADII) - 1)}",
        ]
        for k, what in enumerate(PROFILES):
            for who, profiles in (("real", shapes[0]), ("simulated", shapes[1])):
                medians = np.nanmedian(profiles[rings == ringed, k], axis=0)
                lines.append(
                    f"| {what} | {who} | {' | '.join(f'{v:.3f}' if k == 0 else f'{v:.2f}' for v in medians)} |"
                )
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, help="how many of the real images to use (default: all)")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--real", type=Path, default=REAL, help="folder with catalogue.csv and images/")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets of both (real images: do not publish)")
    args = parser.parse_args()
    if not (args.real / "catalogue.csv").exists():
        print(f"skipped: no real images in {args.real}")
        return 0
    with (args.real / "catalogue.csv").open() as file:
        rows = list(csv.DictReader(file))[: args.galaxies]
    images = [Image.open(args.real / "images" / f"{row['iauname']}.jpg") for row in rows]
    tables = images[0].quantization  # type: ignore[attr-defined]
    pictures = [encode_twice(image.convert("RGB"), tables) for image in images]
    real = np.array([measure(picture) for picture in pictures])
    scales, correlations = scale_calibration(tables)
    measured = np.interp(-real[:, FEATURES.index("noise correlation at 1 px")], -correlations, scales)
    wanted = [Wanted(row["ring"] == "1", float(scale)) for row, scale in zip(rows, measured)]
    history = json.loads(HISTORY.read_text()) if HISTORY.exists() else {}
    draws = {f"{VERSION}, a third draw": args.seed + 3, f"{VERSION}, another draw": args.seed + 2, VERSION: args.seed}
    for name, seed in draws.items():
        matched = draw_matched(wanted, seed, args.processes, tables)
        simulated = np.array([features for _, features in matched])
        history[name] = [round(v, 4) for v in tell_apart(real, simulated)]
    shapes = np.array([profile(p) for p in pictures]), np.array([profile(p) for p, _ in matched])
    text = report(
        real,
        simulated,
        shapes,
        np.array([w.ring for w in wanted]),
        dict(sorted(history.items(), key=lambda row: (int(row[0].split(",")[0].split()[0]), row[0]))),
    )
    print(text)
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
        sheet(pictures[:48]).save(args.sheets / "real.png")
        sheet([picture for picture, _ in matched[:48]]).save(args.sheets / "simulated.png")
    if args.galaxies is None:
        EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
        HISTORY.write_text(json.dumps(history, indent=1) + "\n")
        EVIDENCE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
