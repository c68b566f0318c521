"""Which content a dataset's files have."""

from recbole_idp.storage.files import sha256_of_file


def content_hashes(location):
    """Returns the SHA-256 of a dataset's ``.inter`` and, where there is one, ``.item`` file."""
    files = {"inter": location.inter_file, "item": location.item_file}
    return {suffix: sha256_of_file(path) for suffix, path in files.items() if path is not None and path.is_file()}
