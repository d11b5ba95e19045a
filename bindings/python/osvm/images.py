"""Application images: a program, its files and what it asks for, in one file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Union

from . import _osvm

__all__ = ["AppImage", "build_image", "sign_image"]

Path = Union[str, "os.PathLike[str]"]


class AppImage:
    """An opened image, to be run with ``osvm.Instance([], image=...)`` or ``osvm.run([], image=...)``.

    ``key``: text of a PEM public key that must have signed it. Its files are compared with their digests
    before a program starts, or, with ``verify_on_open``, when they are first opened (a program that opens a
    wrong one is ended). The manifest's budgets hold unless ``own_budgets`` is set. ``mounts``: names of mounts
    that the manifest may ask for; grant the mounts themselves with ``ro`` and ``rw``. Instances that are
    started from one object share the pages of its files. Immutable, thread-safe.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: str | None = None,
        verify_on_open: bool = False,
        own_budgets: bool = False,
        mounts: Iterable[str] = (),
    ) -> None:
        self._raw = _osvm.AppImage.open(os.fspath(path), key, not verify_on_open, own_budgets, list(mounts))

    @property
    def id(self) -> str:
        """Its SHA-256 in hexadecimal."""
        return self._raw.id

    @property
    def manifest(self) -> str:
        """The text of its ``osvm.yaml``."""
        return self._raw.manifest

    def verify(self) -> None:
        """Compares every file with its digest; raises ``osvm.ImagesError``."""
        self._raw.verify()


def build_image(source: Path, output: Path, manifest: str) -> str:
    """Makes an image of a folder, a tar archive or an OCI image layout; ``manifest`` is the text of
    ``osvm.yaml``. Returns its id."""
    return _osvm.build_image(os.fspath(source), os.fspath(output), manifest)


def sign_image(path: Path, key: str) -> None:
    """Signs in place with the text of a PEM private key: Ed25519 or P-256."""
    _osvm.sign_image(os.fspath(path), key)
