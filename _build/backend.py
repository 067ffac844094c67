"""The build backend (PEP 517): hatchling, with the JavaScript of ``labextension/`` built first.

What a build needs beside hatchling is asked for only where it is missing: nothing at all when the built assets are
there and fresh (an sdist), Node from PyPI only where no usable one is installed.
"""

from typing import Any

import assets
import hatchling.build as hatchling

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return what building a wheel needs, beside ``build-system.requires``."""
    return [*hatchling.get_requires_for_build_wheel(config_settings), *assets.requirements()]


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """Return what building an sdist needs, beside ``build-system.requires``."""
    return [*hatchling.get_requires_for_build_sdist(config_settings), *assets.requirements()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Return what an editable install needs, beside ``build-system.requires``."""
    return [*hatchling.get_requires_for_build_editable(config_settings), *assets.requirements()]


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build the wheel into `wheel_directory`; return its file name."""
    assets.build()
    return hatchling.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the sdist, built JavaScript included, into `sdist_directory`; return its file name."""
    assets.build()
    return hatchling.build_sdist(sdist_directory, config_settings)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel of an editable install into `wheel_directory`; return its file name."""
    assets.build()
    return hatchling.build_editable(wheel_directory, config_settings, metadata_directory)


def __getattr__(name: str) -> Any:
    # The hooks that need no assets. Hatchling itself decides who sees them: it hides its metadata hooks from pip.
    return getattr(hatchling, name)
