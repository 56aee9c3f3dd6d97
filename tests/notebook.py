"""docs/first-steps.ipynb, run as its readers run it: `make notebook` writes its outputs anew."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat
from nbclient import NotebookClient

PATH = Path(__file__).parents[1] / "docs" / "first-steps.ipynb"


def execute(folder: Path) -> Any:
    """Return the notebook after all its cells ran in a kernel of their own that writes below ``folder`` only."""
    notebook = nbformat.read(PATH, as_version=4)
    places = {name: str(folder) for name in ("TMPDIR", "HOME", "GALAXY_ZOO_DECALS_HOME", "HF_HOME", "IPYTHONDIR")}
    places |= {"HF_DATASETS_CACHE": str(folder / "datasets"), "MPLCONFIGDIR": str(folder)}
    places |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": "", "MPLBACKEND": ""}
    with mock.patch.dict(os.environ, places):
        os.environ.pop("MPLBACKEND")  # the kernel's own draws into the notebook
        client = NotebookClient(
            notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(PATH.parent)}},
            record_timing=False, coalesce_streams=True,
        )  # fmt: skip
        client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "text" in output:  # where the run was written to
                output.text = re.sub(rf"{re.escape(str(folder))}/[^/\s]+/", "", output.text)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> int:
    """Run the notebook and write it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(execute(Path(folder).resolve()), PATH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
