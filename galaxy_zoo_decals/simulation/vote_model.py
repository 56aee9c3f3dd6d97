"""What volunteers answer: probabilities from what can be seen, the galaxy's own quirk, and votes down the tree.

Probabilities are those of the GZD5 tree in the order of ``GZD5.answers``, each question conditional on being
asked. They are rounded to millionths before any vote is drawn and votes are drawn with integers, so that
differences in the last bits of floating-point arithmetic between machines cannot change a vote.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation.galaxy import IRREGULAR, LENTICULAR, SPIRAL, Encounter, Galaxy
from galaxy_zoo_decals.simulation.telescope import FAULTS

MILLION = 1_000_000
CONCENTRATION = {"smooth-or-featured": 18.0, "disk-edge-on": 25.0, "merging": 18.0}
"""Concentration of the Dirichlet distribution that a galaxy's probabilities are drawn from, once: images of
alike galaxies get different votes by more than chance."""
OTHER_CONCENTRATION = 12.0
_ARTIFACT = dict(zip(FAULTS, (0.025, 0.93, 0.30, 0.85, 0.18, 0.60)))


@dataclass(frozen=True)
class Visibility:
    """How much can be seen after seeing and noise: rms contrasts in units of displayed brightness (0 to 1)."""

    pattern: float
    """Of arms, clumps and knots against the same light spread evenly in angle, and of rings against a wide one."""
    bar: float
    tides: float
    """Of tails, shells and companion against the galaxy alone."""
    axis_ratio: float
    """As seen through the seeing."""
    resolution: float
    """Half-light radius over the FWHM of the seeing in r."""
    signal_to_noise: float
    """Of the whole galaxy."""
    crowding: float
    """Flux of the nearest bright neighbours relative to the galaxy's, weighted by nearness."""


def _steps(x: float, cuts: list[float], width: float) -> np.ndarray:
    """Return the probabilities of ordered answers, lowest first, that share an axis at ``cuts``."""
    return np.diff(np.concatenate([[0.0], expit((np.array(cuts) - x) / width), [1.0]]))


def answer_probabilities(galaxy: Galaxy, encounter: Encounter, fault: str, seen: Visibility) -> dict[str, np.ndarray]:
    """Return the probability of every answer of each question, for a galaxy without quirks of its own."""
    disc = galaxy.disc is not None
    bulge = float(np.log10(max(galaxy.bulge_to_total, 0.004)))
    artifact = _ARTIFACT[fault] + 0.02 * np.exp(-seen.signal_to_noise / 20)
    featured = float(expit(_featured_logit(galaxy, encounter, seen)))
    edge_on = float(expit((0.34 - seen.axis_ratio) / 0.042 if disc else (0.22 - seen.axis_ratio) / 0.05))
    boxy = 0.22 if galaxy.bar and galaxy.bar.strong else 0.06
    bulgeless = float(expit((-0.88 - bulge) / 0.2)) if disc else 0.1
    spiral = _spiral_probability(galaxy, seen)
    return {
        "smooth-or-featured": np.array([(1 - artifact) * (1 - featured), (1 - artifact) * featured, artifact]),
        "disk-edge-on": np.array([edge_on, 1 - edge_on]),
        "has-spiral-arms": np.array([spiral, 1 - spiral]),
        "bar": _bar_probabilities(galaxy, seen),
        "bulge-size": _steps(bulge, [-2.0, -0.82, -0.36, 0.0], 0.16)[::-1],
        "how-rounded": _steps(seen.axis_ratio, [0.37, 0.80], 0.055)[::-1],
        "edge-on-bulge": np.array([boxy * (1 - bulgeless), bulgeless, (1 - boxy) * (1 - bulgeless)]),
        "spiral-winding": _winding_probabilities(galaxy, seen),
        "spiral-arm-count": _arm_count_probabilities(galaxy, seen),
        "merging": _merging_probabilities(galaxy, encounter, seen),
    }


def _noticed(contrast: float, seen: Visibility) -> float:
    """Return a contrast weighted by how many elements of resolution it covers: a large image shows more at a glance."""
    return contrast * float(np.clip((seen.resolution / 2.5) ** 0.9, 0.4, 3))


def _featured_logit(galaxy: Galaxy, encounter: Encounter, seen: Visibility) -> float:
    """Return the log odds of featured: the strongest of structure, thinness and disturbance decides."""
    structure = np.hypot(_noticed(seen.pattern, seen) * (0.9 if galaxy.type == IRREGULAR else 1.2), 0.8 * seen.bar)
    if galaxy.disc is None:
        reasons = [-2.2]
    else:
        base = -1.95 if galaxy.type == LENTICULAR else -2.05
        reasons = [
            3.6 * np.log(max(structure, 0.003) / 0.0285),
            (0.335 - seen.axis_ratio) / 0.045,
            base + 0.25 * np.log(galaxy.half_light_arcsec / 2.5),
        ]
    if encounter.kind != "none":
        reasons.append(1.5 * np.log(max(seen.tides, 1e-3) / 0.07))
    return float(np.logaddexp.reduce(reasons))


def _spiral_probability(galaxy: Galaxy, seen: Visibility) -> float:
    if galaxy.type == SPIRAL:
        contrast = _noticed(seen.pattern, seen) * (1.0 if seen.axis_ratio > 0.33 else 0.5)
        return float(expit(2.4 * np.log(max(contrast, 0.002) / 0.0045)))
    if galaxy.type == IRREGULAR:
        return 0.30
    if galaxy.ring:  # a ring passes for tightly wound arms
        return 0.12 + 0.40 * float(expit(1.8 * np.log(max(seen.pattern, 0.002) / 0.03)))
    return 0.11


def _bar_probabilities(galaxy: Galaxy, seen: Visibility) -> np.ndarray:
    barred = 0.09
    strong = 0.15
    if galaxy.bar:
        barred = max(barred, float(expit(2.2 * np.log(max(seen.bar, 0.001) / 0.0092))))
        strong = 0.57 if galaxy.bar.strong else 0.15
    return np.array([barred * strong, barred * (1 - strong), 1 - barred])


def _winding_probabilities(galaxy: Galaxy, seen: Visibility) -> np.ndarray:
    pitch = galaxy.arms.pitch_deg if galaxy.arms else 15.0
    blurred = pitch + 3 * np.log(2.5 / seen.resolution)
    return _steps(blurred, [14.5, 22.5], 3.2)


def _arm_count_probabilities(galaxy: Galaxy, seen: Visibility) -> np.ndarray:
    """Return the share of each count; volunteers who are unsure say two, one more, one less or can't tell."""
    counts = np.full(6, 0.03)
    number = galaxy.arms.number if galaxy.arms else 2
    flocculence = galaxy.arms.flocculence if galaxy.arms else 0.5
    counts[5] = 0.10 + 0.45 * flocculence + 0.3 * float(expit((0.018 - seen.pattern) / 0.004))
    counts[min(number, 5) - 1] += 0.8
    counts[1] += 0.12
    if number > 2:
        counts[min(number, 5) - 2] += 0.12
        counts[min(number + 1, 5) - 1] += 0.12
    return counts / counts.sum()


def _merging_probabilities(galaxy: Galaxy, encounter: Encounter, seen: Visibility) -> np.ndarray:
    quiet = np.array([0.66, 0.20, 0.10, 0.04] if galaxy.type == IRREGULAR else [0.91, 0.055, 0.012, 0.023])
    overlap = 0.75 * float(expit(1.6 * np.log(max(seen.crowding, 1e-3) / 0.45)))
    quiet = quiet * (1 - overlap) + overlap * np.array([0.25, 0.17, 0.05, 0.53])
    if encounter.kind == "none":
        return quiet
    noticed = float(expit(2.2 * np.log(max(seen.tides, 1e-3) / 0.030)))
    said = {
        "minor-disturbance": [0.0, 0.62, 0.22, 0.16],
        "major-disturbance": [0.0, 0.25, 0.62, 0.13],
        "merger": [0.0, 0.08, 0.16, 0.76],
    }[encounter.kind]
    return quiet * (1 - noticed) + noticed * np.array(said)


def visible_probabilities(rng: np.random.Generator, probabilities: dict[str, np.ndarray]) -> np.ndarray:
    """Return the galaxy's own probabilities in millionths, int64 of shape (34,), each question summing to 10^6.

    The overdispersion is drawn here, once a galaxy: every panel is multinomial given the result.
    """
    millionths = np.empty(len(GZD5.answers), np.int64)
    for question in GZD5.questions:
        expected = np.maximum(probabilities[question.name], 2e-3)
        concentration = CONCENTRATION.get(question.name, OTHER_CONCENTRATION)
        drawn = rng.dirichlet(concentration * expected / expected.sum())
        rounded = np.rint(drawn * MILLION).astype(np.int64)
        rounded[np.argmax(rounded)] += MILLION - rounded.sum()
        millionths[GZD5.slices[question.name]] = rounded
    return millionths


def panel_votes(rng: np.random.Generator, millionths: np.ndarray, volunteers: int) -> np.ndarray:
    """Return the votes of a panel, int16 of shape (34,): as many volunteers begin, and go down the tree.

    ``millionths`` are ``visible_probabilities``.
    """
    votes = np.zeros(len(GZD5.answers), np.int16)
    for question in GZD5.questions:
        asked = volunteers
        if question.parents:
            asked = int(sum(votes[GZD5.answer_index[parent]] for parent in question.parents))
        place = GZD5.slices[question.name]
        chosen = np.searchsorted(np.cumsum(millionths[place]), rng.integers(0, MILLION, asked), side="right")
        votes[place] = np.bincount(chosen, minlength=len(question.answers))
    return votes
