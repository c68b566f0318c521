"""Who may read what is written: whom the umask lets."""

import os
import stat

import pytest

from recbole_idp.storage.files import write_text
from recbole_idp.storage.folders import new_folder


@pytest.mark.parametrize(
    ("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o002, 0o664, 0o775), (0o077, 0o600, 0o700)]
)
def test_files_and_folders_have_the_permissions_that_the_umask_leaves(mask, file, folder, tmp_path):
    import torch

    from recbole_idp.storage.sealed import write_weights

    before = os.umask(mask)
    try:
        with new_folder(tmp_path / "bundle") as building:
            (building / "part").mkdir(0o700)
            write_weights(building / "part" / "model.safetensors", {"a": torch.zeros(1)})
            (building / "card.md").touch(0o600)
        write_text(tmp_path / "result.json", "{}")
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {
        "bundle": folder,
        "bundle/part": folder,
        "bundle/part/model.safetensors": file,
        "bundle/card.md": file,
        "result.json": file,
    }
