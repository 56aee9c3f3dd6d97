"""The version of the package."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("galaxy-zoo-decals")
except PackageNotFoundError:  # a clone that was not installed
    VERSION = "0+unknown"
