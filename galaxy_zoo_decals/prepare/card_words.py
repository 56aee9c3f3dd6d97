"""What a dataset card says in the same words of every edition of a kind: views, labels, splits, scoring and biases."""

from __future__ import annotations

from galaxy_zoo_decals.sources.folder import ONLY_TEST

DESCRIPTIONS = {
    "multiclass": "one class a galaxy: elliptical, spiral, lenticular or irregular",
    "multilabel": "binary labels, with the ones that volunteers were asked about",
    "hierarchical": "the answers, fractions and relevance of every question, and the path through the tree",
    "votes": "the vote counts of every answer",
}


OF_LIKELIHOODS = {
    "multilabel": "binary labels, with the ones whose question was asked",
    "votes": "counts of every answer, made of the published likelihoods",
}
"""What views are called where the truth is no counts of volunteers."""


COUNTED = "All labels are functions of the volunteers' votes; a fraction is votes / total, from one vote upward."


MADE = (
    "All labels are functions of counts that were made of the published likelihoods; a fraction is count / total, from "
    "one\nupward."
)


OUTSIDE = """
Galaxies of the edition that a view leaves out:

| view | why | galaxies |
|---|---|--:|
"""


_SKY = (
    "By the sky: cells of half a degree go to train (70 %), validation (10 %) or test (20 %) by a hash, so that "
    "neighbours and repeated observations stay together."
)


_BY_NAME = (
    "By a hash of the dr7objid, as the table has no positions: 70 % train, 10 % validation, 20 % test. Neighbours in "
    "the sky may therefore lie in two splits, and so may a galaxy that was observed twice under two identifiers."
)


OTHERWISE = {
    "dr7objid": _BY_NAME,
    ONLY_TEST: "All galaxies are test galaxies: this edition is for judging models, and none is trained on it.",
}
"""How galaxies were split where it is not as the source does it, by what edition.json says."""


RULES = {
    "votes": (
        " The catalogue does not say how its galaxies were chosen, so those\nwith 34 first-question votes are scored; "
        "whoever made the split decided which ones test."
    ),
    "all": " Every galaxy is scored, whatever its number of votes.",
}


SPLIT = {
    "gzd5": _SKY,
    "galaxyzoo2": f"{_SKY} Where the border of a cell runs between entries within 5 arcsec of each other, they stay "
    "together: one galaxy may stand in two samples.",
    "simulated": _SKY,
    "catalogue": _SKY,
    "gz2": (
        "The test split is the galaxies of the lowest GalaxyIDs, as positions are not published; a tenth of the "
        "others, by a hash of the GalaxyID, is validation."
    ),
}


_HUMAN = """\
- Labels are opinions of volunteers about an image, not measurements of a galaxy. What seeing and depth hide, they could
  not see: at larger redshift arms and bars vanish and galaxies are called smooth. Do not read a trend with redshift,
  size or magnitude off these fractions without correcting for that.
- A fraction of 40 votes is uncertain by 0.08 at one half, a fraction of 5 votes by 0.22. Compare models with the noise
  ceilings (`galaxy-zoo-decals ceiling`), not with 100 %."""


BIASES = {
    "gzd5": _HUMAN
    + """
- Who got many votes is not random: after active learning began, galaxies that a model found informative got about 40
  votes and the others about 5. Metrics use galaxies chosen before (`scored`); training on galaxies with many votes
  alone trains on what that model found interesting.
- Galaxies are bright (mostly r < 17.77), near (z < 0.15) and at least 3 arcsec in Petrosian radius: nothing here tells
  of faint, small or distant ones. Every cutout is scaled to its galaxy, so apparent size is only in the catalogue.
- Volunteers who called everything an artifact have been removed by the authors of the catalogue, and galaxies that were
  uploaded twice have the votes of both times.
- Debiased fractions of the published catalogue are for populations, not for single galaxies, and over-correct the first
  question and the bulge size, as its authors say. Labels here are made of them only where this card says so.""",
    "galaxyzoo2": _HUMAN
    + """
- Galaxies are bright (mostly r < 17) and near: nothing here tells of faint, small or distant ones. The samples extra
  and stripe82 were chosen otherwise, and stripe82 holds fainter galaxies: metrics use the sample original alone
  (`scored`); `upload_group` is the sample.
- Votes are raw: nobody's are weighed, and nothing is corrected for redshift. Published debiased fractions are for
  populations; they are in an edition only as columns beside the votes, where they were asked for.
- These are SDSS images with the tree of Galaxy Zoo 2: results do not carry over to DECaLS.""",
    "gz2": """\
- The published values are likelihoods, not votes: the fractions of Galaxy Zoo 2, moved by a correction for redshift,
  size and luminosity (Willett et al. 2013). A picture says none of these, so a part of every value cannot be seen in
  it, and how well the values can be predicted at all is not known. That models are ranked by how well they predict them
  is fair to all of them. Nothing about people's votes, their noise or what they allow follows from this edition.
- Counts are made for an assumed number of votes (see above): whatever rests on that number, such as the likelihood of
  the counts and the coverage of predictive intervals, is assumed too.
- These are SDSS images with the tree of Galaxy Zoo 2: results do not carry over to DECaLS.""",
    "simulated": """\
- No galaxy here exists. Use it to test methods, where the truth must be known, and never as evidence about galaxies or
  about how well a model does on real ones: simulated galaxies lack what nobody thought of.
- Votes follow one model of volunteers, without fatigue, mood or learning.""",
    "catalogue": _HUMAN,
}
