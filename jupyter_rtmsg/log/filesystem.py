"""Which file system a path is on."""

from __future__ import annotations

from pathlib import Path

# Where SQLite's write-ahead log does not work, since it needs memory shared between processes:
# https://www.sqlite.org/wal.html, "Overview", disadvantage 2. Folders that a virtual machine shares with its host are
# such: Docker Desktop's bind mounts among them.
# fmt: off
NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs",
    "afs", "9p", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs",
    "virtiofs", "vboxsf", "prl_fs", "fakeowner", "fuse.grpcfuse", "fuse.vmhgfs-fuse",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs2", "fuse.cifs"
})
# fmt: on


def filesystem_type(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the file system that holds a path, or None where it cannot be told (not Linux)."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    path = path.resolve()
    best, kind = -1, None
    for line in lines:
        _, where, type_, *_ = line.split(" ")
        mount = Path(_unescape(where))
        if path.is_relative_to(mount) and len(mount.parts) >= best:  # of equal ones the last is mounted on top
            best, kind = len(mount.parts), type_
    return kind


def _unescape(text: str) -> str:
    """Undo the octal escapes of fstab(5)."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
