from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_rtmsg.log.filesystem import NETWORK, filesystem_type

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/local xfs rw 0 0
//nas/share /mnt/with\\040space cifs rw 0 0
tmpfs /mnt/over tmpfs rw 0 0
me@host: /mnt/over fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/log", "ext4"), ("/home", "nfs4"), ("/home/ada/.local/log", "nfs4"), ("/homework", "ext4"),
        ("/home/local/x", "xfs"), ("/mnt/with space/x", "cifs"), ("/mnt/over/x", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_the_innermost_and_last_mount_decides(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert filesystem_type(Path(path), mounts) == kind


def test_where_mounts_are_not_listed_nothing_is_known(tmp_path: Path) -> None:
    assert filesystem_type(tmp_path, tmp_path / "nothing") is None
    assert None not in NETWORK


def test_this_machine_can_tell(tmp_path: Path) -> None:
    assert filesystem_type(Path("/proc")) in ("proc", None)
