"""Atomic replacement of files, by the rules of the C++ library (include/vitrim/core/atomic_file.h): a reader sees the old or the new content,
never a part."""

import os
import secrets
import stat

from .errors import Error

_MENDS = {"ENOENT": "no such folder: create it first", "EISDIR": "it is a folder: name a file in it", "ENOSPC": "no space left on the device: free some and run again"}


def _reason(error: OSError) -> str:
    import errno

    return _MENDS.get(errno.errorcode.get(error.errno, ""), error.strerror)


def write(path: str, data: bytes) -> None:
    """Writes a temporary file in the target's folder and renames it. A symbolic link stays a link: the file that it points to is replaced, in its
    own folder. An existing file's permissions are kept, and a write-protected file is refused. A target that is not a regular file (a pipe, a
    device) is written directly. Raises vitrim.Error if something can't be written."""
    try:
        _write(path, data)
    except OSError as error:
        raise Error(f"cannot write {path}: {_reason(error)}") from None


def _write(path: str, data: bytes) -> None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "wb") as file:  # a folder fails here
            file.write(data)
        return
    if found is not None and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(13, "permission denied: choose another place or change the permissions")
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".vitrim-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(handle, "wb") as file:
            if found is not None:
                os.fchmod(handle, stat.S_IMODE(found.st_mode))
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Makes the rename durable too. Some file systems can't; by then the data is safe."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
