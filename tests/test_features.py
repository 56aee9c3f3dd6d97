"""The columns of every view are a contract: docs/columns.md holds them, and this test holds them to it.

After a meant change: ``python -m tests.test_features > docs/columns.md``.
"""

from __future__ import annotations

from pathlib import Path

from datasets import Features

from galaxy_zoo_decals.prepare.edition_columns import COMMON, edition_features, label_columns, list_columns
from galaxy_zoo_decals.schema import TREES, VIEWS, Tree

HEAD = """\
# The columns of every view

Every view has the common columns, followed by its own columns. A view's rows are those whose flag (`in_multiclass`,
`in_multilabel`, `in_hierarchical`, `in_votes`) is true. Types are those of `datasets`. Some editions have more columns
at the end of the votes view:

- simulated editions: `true_*` and `visible_*` (float32);
- editions of the survey or of a table of your own: `merging_published-votes` and `merging_lost-votes` (int16,
  [lost votes](data.md#lost-votes-the-question-about-merging)), and, if labels are made of them, the `_debiased`
  fractions (float32);
- editions of Galaxy Zoo 2 made with `--debiased`: `..._debiased` and `..._weighted-fraction` (float32) of every answer.

In editions of Galaxy Zoo 2 `iauname` is the dr7objid and `upload_group` the sample (original, extra, stripe82).

`ra` and `dec` are in degrees. `mag_r` is the apparent magnitude in r. `petro_th50` and `petro_th90` are the radii that
hold half and 90 % of the Petrosian flux, `petro_theta` is the Petrosian radius, all in arcsec. `upload_group` says why
the galaxy was shown to volunteers. `random_selection` says whether it was chosen at random (1, 0), `wrong_size_warning`
whether the field of view may be wrong, and `scored` whether metrics use it.

No column holds nulls. What is not known is NaN in columns of floats, "" in `upload_group`, and -1 in
`random_selection`, `top_label`, `answers` and `path_answers`. So every view goes through the default collate of torch.
In multilabel, `multi_hot` (1: true) and `asked_mask` (1: known) have the order of the names of `top_label`, which is
the known label with the largest fraction. In hierarchical, `path_answers` has the order of the questions of `answers`,
and its numbers are positions in their names; -1 is not on the path. `labels`, `asked` and `path` are lists of varying
length, which no batch can be made of: they are loaded by name, `columns=["image", "labels", "asked"]`
([datasets](datasets.md)).
"""


def view_features(view: str, tree: Tree, extra: tuple[str, ...] = ()) -> Features:
    """Return the features of one view."""
    every = edition_features(tree, extra)
    return Features({name: every[name] for name in (*COMMON, *label_columns(view, tree, extra))})


def columns_page() -> str:
    lines = [HEAD]
    common = view_features("votes", TREES["GZD5"])
    lines += ["## Common to all views", "", "| column | type |", "|---|---|"]
    lines += [f"| `{name}` | {common[name]} |" for name in COMMON]
    for tree in TREES.values():
        for view in VIEWS:
            features = view_features(view, tree)
            lines += ["", f"## {view}, {tree.name} tree", "", "| column | type |", "|---|---|"]
            lines += [f"| `{name}` | {features[name]} |" for name in label_columns(view, tree)]
            every = edition_features(tree)
            lines += [f"| `{name}`, by name only | {every[name]} |" for name in list_columns(view)]
    return "\n".join(lines) + "\n"


def test_the_documented_columns_are_the_real_ones() -> None:
    page = Path(__file__).parents[1] / "docs" / "columns.md"
    assert page.read_text() == columns_page(), "columns changed: raise builder.FORMAT and write the page anew"


if __name__ == "__main__":
    print(columns_page(), end="")
