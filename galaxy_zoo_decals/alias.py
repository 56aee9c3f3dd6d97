"""The bare name: `load_dataset("galaxy_zoo_decals", view)` means the edition in use, from any directory.

datasets has no registry of names. After `import galaxy_zoo_decals` its one door to modules is wrapped so that this
name is passed on as an edition's folder; everything behind it stays stock.
"""

from __future__ import annotations

import errno
import inspect
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import wrapt

NAME = "galaxy_zoo_decals"


def install(module: ModuleType) -> None:
    """Wrap ``datasets.load.dataset_module_factory``; called once datasets has been imported."""
    import datasets.inspect
    import datasets.load

    if next(iter(inspect.signature(datasets.load.dataset_module_factory).parameters)) != "path":
        warnings.warn(
            f"this version of datasets does not take the name {NAME!r}; use "
            f"load_dataset({NAME}.path(), ...) instead, or datasets>=5,<6.",
            stacklevel=2,
        )
        return
    wrapped = wrapt.FunctionWrapper(datasets.load.dataset_module_factory, _factory)
    datasets.load.dataset_module_factory = wrapped
    datasets.inspect.dataset_module_factory = wrapped


def _factory(stock: Any, instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = args[0] if args else kwargs.get("path")
    if name != NAME:
        return stock(*args, **kwargs)
    import datasets

    from galaxy_zoo_decals.edition import Edition

    edition = Edition.open()
    if edition.name == "sample":
        _tell_once(edition.title)
    _check_cache(Path(datasets.config.HF_DATASETS_CACHE))
    args, kwargs = (str(edition.path), *args[1:]), {k: v for k, v in kwargs.items() if k != "path"}
    return stock(*args, **kwargs)


def _check_cache(folder: Path) -> None:
    """Say what to do where `datasets` is about to fail in a cache that it cannot write to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(folder, os.W_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        warnings.warn(
            f"{folder} cannot be written to ({problem}), and datasets keeps there what it loads: set HF_HOME to a "
            "folder that can be written to, before datasets is imported.",
            stacklevel=2,
        )


_told: set[str] = set()


def _tell_once(title: str) -> None:
    if title not in _told:
        _told.add(title)
        warnings.warn(
            f"{NAME} is the embedded sample: {title}. These galaxies are simulated. For real ones run "
            "`galaxy-zoo-decals prepare gzd5 --images hub-tiny` (minutes) and `galaxy-zoo-decals use gzd5-tiny`.",
            stacklevel=2,
        )
