"""The boards: what each is ranked by, and all that is computed of predictions, one file a board."""

from galaxy_zoo_decals.scoring.boards.board import Answers, Board, Columns, Confusion, Metric, Scored
from galaxy_zoo_decals.scoring.boards.hierarchical import HIERARCHICAL
from galaxy_zoo_decals.scoring.boards.multiclass import MULTICLASS
from galaxy_zoo_decals.scoring.boards.multilabel import MULTILABEL
from galaxy_zoo_decals.scoring.boards.votes import VOTES

__all__ = ["BOARDS", "VERSION", "Answers", "Board", "Columns", "Confusion", "Metric", "Scored"]

VERSION = "1"
"""Of the scorer: a change of any definition raises it, and stored scores of another version are scored again."""

BOARDS: dict[str, Board] = {board.task: board for board in (MULTICLASS, MULTILABEL, HIERARCHICAL, VOTES)}
