"""PostgreSQL refuses to run as root: when we are root, it runs as a system user of its own.

The user must reach the data folder and the program. Folders on the way are opened for traversal only (o+x), never for reading,
and only where they are closed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

USER = "lakefront"


def needed() -> bool:
    """True when this process is root and so must not run PostgreSQL itself."""
    return os.geteuid() == 0


def ensure() -> pwd.struct_passwd:
    """The system user, created on first use. Where users cannot be created, ``nobody`` serves."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd:
        command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false", USER]
        # Several processes may get here at once; whoever comes second finds the user of the first.
        subprocess.run(command, check=False, capture_output=True, timeout=30)
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return pwd.getpwnam("nobody")


def open_the_way(path: Path) -> list[Path]:
    """Let the system user traverse the folders above ``path``; returns those that had to be opened."""
    opened = []
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            opened.append(folder)
    return opened


def make_readable(folder: Path) -> None:
    """Let the system user read and run an installed program, whatever umask it was installed with."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)


def give(folder: Path) -> None:
    """Make the system user the owner of a folder and all in it."""
    user = ensure()
    for path in (folder, *folder.rglob("*")):
        found = path.lstat()
        if (found.st_uid, found.st_gid) != (user.pw_uid, user.pw_gid):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def for_subprocess() -> dict[str, Any]:
    """Arguments with which subprocess runs a program as the system user; none unless we are root."""
    if not needed():
        return {}
    user = ensure()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def become() -> None:
    """Turn this process into the system user, for good. Does nothing unless we are root."""
    if not needed():
        return
    user = ensure()
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = "/nonexistent"
