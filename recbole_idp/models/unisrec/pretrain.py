"""Pre-training of UniSRec on the source domains, and finding what was pre-trained before."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from recbole.utils import init_seed
from safetensors.torch import save_file

from recbole_idp.config.derive import as_pretrained
from recbole_idp.content.text.cache import cache_folder, encode_cached
from recbole_idp.content.text.encoder import configured_text_encoder
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import domain_texts
from recbole_idp.data.domains import check_domains, load_domains
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import TEXT_ENCODER
from recbole_idp.models.idp.pretrain import HYPER_PARAMETERS, source_settings
from recbole_idp.models.unisrec.model import UniSRec, transferable
from recbole_idp.models.unisrec.pretraining_model import UniSRecPretraining
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import Kind, check_sealed, find_or_make, read_weights, seal
from recbole_idp.train.clock import StageClock
from recbole_idp.train.trainer import SequenceTrainer

DESCRIPTION, WEIGHTS, CARD = "unisrec.json", "weights.safetensors", "README.md"
KIND = Kind(
    "pre-trained UniSRec",
    "a run of UniSRec",
    "recbole_idp UniSRec",
    1,
    (1,),
    DESCRIPTION,
    frozenset((WEIGHTS,)),
    {"fingerprint": str, "domains": [{"name": str}], "sizes": ObjectOf(), "text_encoder": ObjectOf()},
)

# What its losses and batches do not look at.
_UNUSED = ("model", "initializer_range", "loss_type", "training_rows", "negative_smoothing", "pretrain_negatives")


@dataclass(frozen=True)
class PretrainedUniSRec:
    """What pre-training hands to the target: a folder that executes nothing when it is opened.

    Attributes:
        state (dict[str, torch.Tensor]): Weights of adaptor and sequence encoder.
        description (dict): ``domains``, ``sizes``, ``text_encoder``, ``hyper_parameters``, ``valid``, ``seed``,
            ``fingerprint``, ``versions``.
        folder (Path): Where it lies; its text encoder reads the target's texts.
    """

    state: dict
    description: dict
    folder: Path

    @classmethod
    def open(cls, folder):
        """Opens a folder after checking each of its files.

        Args:
            folder (str | Path): The folder.

        Returns:
            PretrainedUniSRec: What it holds.

        Raises:
            UserError: It is something else, of another version, or damaged.
        """
        folder = Path(folder)
        description = check_sealed(folder, KIND)
        return cls(read_weights(folder / WEIGHTS, KIND), description, folder)


def hyper_parameters(config):
    """Returns the keys and values that decide, with the data, on what pre-training yields."""
    keys = [key for key in HYPER_PARAMETERS if key not in _UNUSED]
    return {key: config[key] for key in (*keys, *UniSRec.encoder_keys, *UniSRec.training_keys)}


def find_or_pretrain(config, clock=None):
    """Opens the folder that a configuration means, and makes it first where there is none.

    Args:
        config (Config): With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        clock (StageClock, optional): Where stages are timed.

    Returns:
        PretrainedUniSRec: Adaptor and sequence encoder.

    Raises:
        UserError: The named folder or the sources cannot be used.
    """
    if config["pretrained"]:
        found = PretrainedUniSRec.open(config["pretrained"])
        if config["dataset"] in (names := [domain["name"] for domain in found.description["domains"]]):
            raise UserError(f"{config['dataset']} is among {', '.join(names)}, the source domains of {found.folder}")
        return found
    config = as_pretrained(config)
    locations = check_domains(config)
    text_encoder = configured_text_encoder(config)
    digits = fingerprint(
        {
            "data": [content_hashes(location) for location in locations],
            "text_encoder": text_encoder.name if text_encoder.needs_fitting else text_encoder.fingerprint,
            "hyper_parameters": hyper_parameters(config),
        }
    )
    folder = Path(config["checkpoint_dir"]) / f"unisrec-{'-'.join(config['source_domains'])[:80]}-{digits[:8]}"

    def make():
        return pretrain(config, folder, text_encoder, digits, clock or StageClock())

    return find_or_make(folder, KIND, digits, PretrainedUniSRec.open, make)


def pretrain(config, folder, text_encoder, digits, clock):
    """Pre-trains UniSRec on the joined source domains and writes the folder.

    An interrupted training goes on from its last epoch, kept in ``checkpoint_dir/unfinished-unisrec-<fingerprint>``.

    Args:
        config (Config): RecBole's configuration.
        folder (Path): Where the result goes.
        text_encoder (TextEncoder): Encodes the texts; fitted here where it needs to be.
        digits (str): The fingerprint.
        clock (StageClock): Where stages are timed.

    Returns:
        PretrainedUniSRec: What was written.
    """
    with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
        domains = load_domains(config)
        texts, _ = domain_texts(config, domains, check_domains(config))
        facts["source_interactions"] = domains.sequences.n_events
    with clock.stage("encode", f"encoding {len(texts):,} source texts with {text_encoder.name}") as facts:
        if text_encoder.needs_fitting:
            text_encoder.fit(texts)
        vectors, reworded = _text_vectors(config, text_encoder, texts, facts)
    settings = source_settings(config, exclude_history=False)
    train, valid = domains.split(config["pretrain_valid_users"], config["seed"])
    unfinished = Path(config["checkpoint_dir"]) / f"unfinished-unisrec-{digits}"
    with clock.stage("pretrain", "training UniSRec's adaptor and sequence encoder on the source domains") as facts:
        init_seed(config["seed"], config["reproducibility"])
        model = UniSRecPretraining(settings, train.dataset, vectors, reworded).to(config["device"])
        trainer = SequenceTrainer(settings, model)
        trainer.keep_in(unfinished)
        _, result = trainer.fit(train, valid, saved=True, show_progress=config["show_progress"])
        trainer.restore(trainer.saved_model_file)
        facts.update(targets_per_second=round(trainer.targets_per_second), valid=dict(result))
    description = {
        "fingerprint": digits,
        "domains": [vars(domain) for domain in domains.domains],
        "sizes": {key: config[key] for key in UniSRec.encoder_keys},
        "text_encoder": {"name": text_encoder.name, "width": vectors.shape[1]},
        "hyper_parameters": hyper_parameters(config),
        "valid": dict(result),
        "seed": config["seed"],
        "versions": versions(),
    }
    with new_folder(folder) as building:
        state = {name: value.detach().cpu().contiguous() for name, value in transferable(model).items()}
        save_file(state, building / WEIGHTS)
        text_encoder.save(building / TEXT_ENCODER)
        (building / CARD).write_text(_model_card(description), encoding="utf-8")
        seal(building, KIND, description)
    trainer.discard()
    logging.getLogger().info(f"Pre-trained UniSRec: {folder}")
    return PretrainedUniSRec.open(folder)


def _text_vectors(config, text_encoder, texts, facts):
    """Encodes the texts, and the same without some words where second views drop words."""
    folder, bar = cache_folder(config), config["show_progress"]
    vectors, report = encode_cached(text_encoder, texts, folder, bar)
    facts["encoded"] = report.encoded
    if config["item_drop_coefficient"] == 1:
        return vectors, None
    reworded, report = encode_cached(
        text_encoder, drop_words(texts, config["word_drop_ratio"], config["seed"]), folder, bar
    )
    facts["encoded"] += report.encoded
    return vectors, reworded


def drop_words(texts, ratio, seed):
    """Drops words at random, never all of them.

    Args:
        texts (list[str]): The texts.
        ratio (float): Chance of a word to be dropped.
        seed (int): Decides on the words.

    Returns:
        list[str]: One text for each.
    """
    draw = np.random.default_rng(seed)
    dropped = []
    for text in texts:
        words = text.split()
        kept = [word for word, chance in zip(words, draw.random(len(words)), strict=True) if chance >= ratio]
        dropped.append(" ".join(kept or words[:1]))
    return dropped


def _model_card(about):
    """Returns what a stranger should know about the folder, as Markdown."""
    names = ", ".join(domain["name"] for domain in about["domains"])
    valid = ", ".join(f"{name} {value:.4f}" for name, value in about["valid"].items())
    return (
        "# A pre-trained UniSRec of recbole_idp\n\n"
        f"Adaptor and sequence encoder (arXiv 2206.05941), pre-trained on {names}.\n\n"
        f"- Text encoder: {about['text_encoder']['name']}\n"
        f"- Validation on held-out source users: {valid}\n"
        f"- Seed: {about['seed']}\n\n"
        "Use it: `python run_recbole_idp.py --model=UniSRec --dataset=NAME --pretrained=THIS_FOLDER`\n"
    )
