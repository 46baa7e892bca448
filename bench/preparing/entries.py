"""The files of a source, whether they lie in folders, in zip or in tar archives, and the bytes of one.

A file in an archive is known by where its bytes are, so that any process reads it without the archive's table.
"""

import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bench.config import ConfigError

ARCHIVES = (".zip", ".tar")
PACKED = (".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
LOCAL = 30  # bytes of a zip's header before a member's name
STORED, DEFLATED, FILE, TAR = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, -1, -2
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError)


class Entry(NamedTuple):
    """name: path below the source, an archive counting as a folder of its name without the suffix. at, size: where the bytes
    are in `file`. kind: FILE (the whole of it), TAR, or how a zip packed it. check: the zip's CRC."""

    name: str
    file: str
    at: int = 0
    size: int = 0
    kind: int = FILE
    check: int = 0

    @property
    def place(self) -> str:
        """For people."""
        return self.file if self.kind == FILE else f"{self.file}: {self.name}"


def listed(source: Path) -> list[Entry]:
    """All files of a folder, of an archive or of the archives in a folder, by name. Raises ConfigError for a damaged one."""
    if source.is_dir():
        paths = (Path(folder) / name for folder, _, names in os.walk(source, followlinks=True) for name in names)
        found = [entry for path in paths if not _hidden(inside := path.relative_to(source))
                 for entry in _of_file(path, inside.as_posix())]
    else:
        found = list(_of_file(source, source.name))
    return sorted(found)


def read(entry: Entry) -> bytes:
    """The bytes of a file. Raises ConfigError naming it where they are cut short or damaged."""
    try:
        with open(entry.file, "rb") as file:
            if entry.kind == FILE:
                return file.read()
            file.seek(entry.at)
            if entry.kind == TAR:
                return _whole(file, entry.size)
            header = _whole(file, LOCAL)
            file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), io.SEEK_CUR)
            packed = _whole(file, entry.size)
            content = zlib.decompress(packed, -zlib.MAX_WBITS) if entry.kind == DEFLATED else packed
            if zlib.crc32(content) != entry.check:
                raise EOFError("its checksum is another")
            return content
    except UNREADABLE as error:
        raise damaged(entry.place, error) from error


def opened(entry: Entry) -> BinaryIO:
    """A large file, to be read bit by bit."""
    if entry.kind == FILE:
        return open(entry.file, "rb")
    if entry.kind == TAR:
        return io.BufferedReader(_Piece(entry.file, entry.at, entry.size))
    archive = zipfile.ZipFile(entry.file)
    return archive.open(next(each for each in archive.infolist() if each.header_offset == entry.at))  # type: ignore[return-value]


def damaged(place: str | Path, error: Exception) -> ConfigError:
    """What is said of a file that cannot be read to its end."""
    why = (str(error) or type(error).__name__).split("\n")[0]
    return ConfigError(f"{place} is cut short or damaged ({why}); fetch it again, and compare its size with the publisher's")


class _Piece(io.RawIOBase):
    """The bytes of a tar's member as a file."""

    def __init__(self, path: str | Path, at: int, size: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed with the piece
        self._begin, self._size, self._at = at, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, to + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._begin + self._at)
        got = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._at)])
        self._at += got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _of_file(path: Path, name: str) -> Iterator[Entry]:
    suffix = path.suffix.lower()
    if suffix in PACKED:
        raise ConfigError(f"{path} is packed in a way that is not read; unpack it (tar -xf, gunzip) and give the folder")
    if suffix not in ARCHIVES:
        yield Entry(name, str(path))
        return
    stem = name[: -len(suffix)]
    try:
        yield from _of_zip(path, stem) if suffix == ".zip" else _of_tar(path, stem)
    except UNREADABLE as error:
        raise damaged(path, error) from error


def _of_zip(path: Path, stem: str) -> Iterator[Entry]:
    where = str(path)
    with zipfile.ZipFile(path) as archive:
        for each in archive.infolist():
            if each.is_dir() or _hidden(Path(each.filename)):
                continue
            if each.compress_type not in (STORED, DEFLATED) or each.flag_bits & 1:
                raise ConfigError(f"{path} is packed or encrypted in a way that is not read; unpack it and give the folder")
            yield Entry(f"{stem}/{each.filename}", where, each.header_offset, each.compress_size, each.compress_type, each.CRC)


def _of_tar(path: Path, stem: str, at: int = 0, size: int | None = None) -> Iterator[Entry]:
    """Also of a tar within a tar, which begins at `at`."""
    where = str(path)
    with _Piece(path, at, path.stat().st_size if size is None else size) as piece, tarfile.TarFile(fileobj=piece) as archive:
        for each in archive:
            name = re.sub(r"^(\./)+", "", each.name)
            if not each.isfile() or _hidden(Path(name)):
                continue
            if name.endswith(".tar"):
                yield from _of_tar(path, f"{stem}/{name[:-4]}", at + each.offset_data, each.size)
            else:
                yield Entry(f"{stem}/{name}", where, at + each.offset_data, each.size, TAR)


def _whole(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise EOFError(f"{len(content):,} of {size:,} bytes are there")
    return content
