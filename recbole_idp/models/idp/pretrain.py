"""Pre-training on the source domains, and finding what was pre-trained before."""

import logging
from pathlib import Path

import numpy as np
from recbole.utils import get_model, init_seed

from recbole_idp import registry
from recbole_idp.config.derive import as_model, as_pretrained, derive
from recbole_idp.content.text.cache import cache_folder, encode_cached
from recbole_idp.content.text.encoder import configured_text_encoder
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import domain_texts
from recbole_idp.data.domains import check_domains, load_domains
from recbole_idp.errors import UserError
from recbole_idp.models.idp.bundle import KIND, Bundle, read_description
from recbole_idp.models.idp.cdim.depths import SourceItems, check_depth, matcher_settings, train_matcher
from recbole_idp.models.idp.model import IDP
from recbole_idp.models.idp.source_model import find_source_model, keep_source_model
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint, remove_kept
from recbole_idp.storage.sealed import find_or_make
from recbole_idp.train.clock import StageClock
from recbole_idp.train.resumable import kept_files
from recbole_idp.train.trainer import SequenceTrainer

# What the texts are, which IDs and sequence encoder do not look at.
TEXT_PARAMETERS = ("source_text_fields", "text_length")

# Everything besides the data, the text encoder and the model's own keys that decides on what pre-training yields.
HYPER_PARAMETERS = (
    "model",
    "initializer_range",
    "loss_type",
    "learner",
    "weight_decay",
    "clip_grad_norm",
    "training_rows",
    "negative_smoothing",
    "pretrain_epochs",
    "pretrain_learning_rate",
    "pretrain_batch_size",
    "pretrain_negatives",
    "pretrain_stopping_step",
    "pretrain_valid_users",
    "valid_metric",
    "source_domains",
    "shared_users",
    *TEXT_PARAMETERS,
    "user_inter_num_interval",
    "item_inter_num_interval",
    "val_interval",
    "rm_dup_inter",
    "seed",
)


def pretrain_config(config):
    """Returns the configuration of the model that is pre-trained, which ``pretrain_model`` may name.

    Args:
        config (Config): The target's configuration.

    Returns:
        Config: With the defaults of that model, and all that the user changed.

    Raises:
        UserError: The named model is unknown, or cannot be pre-trained.
    """
    name = config["pretrain_model"] or config["model"]
    registry.check_model(name)
    if not issubclass(get_model(name), IDP) or not get_model(name).can_be_pretrained:
        raise UserError(f"pretrain_model {name} cannot be pre-trained: name a model of the plugin, such as IDP")
    return as_model(as_pretrained(config), name)


def hyper_parameters(config):
    """Returns the keys and values that decide on what pre-training yields, those of the configured model included."""
    model = get_model(config["model"])
    return {key: config[key] for key in (*HYPER_PARAMETERS, *model.encoder_keys, *model.training_keys)}


def pretrain_fingerprint(config):
    """Returns 16 hexadecimal digits for all that decides on IDs and encoder, content of the files included."""
    parameters = {key: value for key, value in hyper_parameters(config).items() if key not in TEXT_PARAMETERS}
    return fingerprint(
        {"data": [content_hashes(location) for location in check_domains(config)], "hyper_parameters": parameters}
    )


def bundle_fingerprint(config, text_encoder):
    """Returns 16 hexadecimal digits for all that decides on a bundle: IDs and encoder, texts, and the matcher."""
    return fingerprint(
        {
            "pretrain": pretrain_fingerprint(config),
            "texts": {key: config[key] for key in TEXT_PARAMETERS},
            # An encoder that is fitted to the texts is decided on by the data.
            "text_encoder": text_encoder.name if text_encoder.needs_fitting else text_encoder.fingerprint,
            "matcher": matcher_settings(config),
        }
    )


def planned_encoder(config):
    """Returns kind and sizes of the encoder that :func:`find_or_pretrain` will give, without making it."""
    if config["pretrained"]:
        return read_description(config["pretrained"])["encoder"]
    planned = pretrain_config(config)
    return get_model(planned["model"]).describe_encoder(planned)


def find_or_pretrain(config, clock=None):
    """Opens the bundle that a configuration means, and makes it first where there is none.

    Args:
        config (Config): With ``pretrained`` naming a bundle, or else the sources and all hyper-parameters.
        clock (StageClock, optional): Where stages are timed.

    Returns:
        Bundle: The bundle.

    Raises:
        UserError: The named bundle or the sources cannot be used.
    """
    clock = clock or StageClock()
    if config["pretrained"]:
        bundle = Bundle.open(config["pretrained"])
        sources = [domain["name"] for domain in bundle.description["domains"]]
        if config["dataset"] in sources:
            raise UserError(f"{config['dataset']} is among the bundle's source domains: choose another target")
        logging.getLogger().info(f"Pre-trained bundle: {config['pretrained']} ({', '.join(sources)})")
        return bundle
    config = pretrain_config(config)
    # A typing error in a domain's name shows before anything else is loaded.
    check_domains(config)
    text_encoder = configured_text_encoder(config)
    check_depth(config, text_encoder)
    digits = bundle_fingerprint(config, text_encoder)
    folder = Path(config["checkpoint_dir"]) / f"pretrain-{'-'.join(config['source_domains'])[:80]}-{digits[:8]}"

    def make():
        return pretrain(config, folder, text_encoder, digits, clock)

    return find_or_make(folder, KIND, digits, Bundle.open, make)


def pretrain(config, folder, text_encoder, digits, clock):
    """Trains IDs and encoder on the source domains, then the matcher on their texts, and writes the bundle.

    IDs and encoder that the same sources and settings gave before are taken from there. What an interrupted run has
    done is kept in ``checkpoint_dir/unfinished-pretrain-<fingerprint>`` until the bundle is written.

    Args:
        config (Config): RecBole's configuration.
        folder (Path): Where the bundle goes.
        text_encoder (TextEncoder): Encodes the texts; fitted here where it needs to be.
        digits (str): The fingerprint.
        clock (StageClock): Where stages are timed.

    Returns:
        Bundle: The bundle, saved.
    """
    logger = logging.getLogger()
    locations = check_domains(config)
    with clock.stage("read", f"reading {', '.join(config['source_domains'])}") as facts:
        domains = load_domains(config)
        texts, titles = domain_texts(config, domains, locations)
        facts["source_interactions"] = domains.sequences.n_events
        facts["source_items"] = len(domains.item_tokens) - 1
        for domain in domains.domains:
            logger.info(
                f"{domain.name}: {domain.users:,} users, {domain.items:,} items, {domain.interactions:,} interactions"
            )
    if text_encoder.needs_fitting:
        # Before the training: texts from which nothing can be learned are refused at once.
        text_encoder.fit(texts)
    source_digits = pretrain_fingerprint(config)
    unfinished = Path(config["checkpoint_dir"]) / f"unfinished-pretrain-{source_digits}"
    kept = (unfinished / "source-model.safetensors", unfinished / f"cdim-{digits}.safetensors")
    source = find_source_model(config["checkpoint_dir"], source_digits, kept[0])
    if source is None:
        with clock.stage("pretrain", "training item IDs and sequence encoder on the source domains") as facts:
            model, valid, speed = train_on_sources(config, domains, unfinished)
            facts.update(targets_per_second=round(speed), valid=valid)
            source = keep_source_model(kept[0], model, valid)
            remove_kept(kept_files(unfinished))
    with clock.stage("encode", f"encoding {len(texts):,} source texts with {text_encoder.name}") as facts:
        vectors, report = encode_cached(text_encoder, texts, cache_folder(config), config["show_progress"])
        facts.update(encoded=report.encoded, items_per_second=round(report.items_per_second))
    with clock.stage("cdim", f"training the matcher, depth {config['cdim_depth']}") as facts:
        events = np.bincount(domains.sequences.items.numpy(), minlength=len(domains.item_tokens))[1:]
        items = SourceItems(source.item_embeddings, events, texts, vectors)
        matcher, about_matcher = train_matcher(config, items, text_encoder, kept[1])
        adapted_vectors = matcher.vectors(texts, vectors)
        facts.update(about_matcher)
    names = [domain.name for domain in domains.domains]
    bundle = Bundle(
        item_embeddings=source.item_embeddings,
        text_vectors=vectors,
        adapted_vectors=adapted_vectors,
        encoder=source.encoder,
        domains=[names[number] for number in domains.item_domain[1:]],
        tokens=domains.item_tokens[1:],
        titles=titles,
        description={
            "fingerprint": digits,
            "pretrain_fingerprint": source_digits,
            "domains": [vars(domain) for domain in domains.domains],
            "encoder": get_model(config["model"]).describe_encoder(config),
            "text_encoder": {
                "name": text_encoder.name,
                "fingerprint": text_encoder.fingerprint,
                "pooling": config["text_pooling"],
                "max_tokens": config["text_tokens"],
            },
            "hyper_parameters": {**hyper_parameters(config), **matcher_settings(config)},
            "valid": source.valid,
            "cdim": about_matcher,
            "seed": config["seed"],
            "versions": versions(),
        },
    )
    bundle.save(folder, text_encoder, matcher)
    remove_kept((*kept, *kept_files(unfinished)))
    logger.info(f"Pre-trained bundle: {folder}")
    return bundle


def source_settings(config, **values):
    """Returns the configuration of a training on the source domains.

    Args:
        config (Config): RecBole's configuration with the ``pretrain_*`` keys.
        values (Any): Further values that it has there.

    Returns:
        Config: A copy, in which the keys of training have the values of pre-training.
    """
    return derive(
        config,
        dataset="-".join(config["source_domains"])[:80],
        epochs=config["pretrain_epochs"],
        learning_rate=config["pretrain_learning_rate"],
        train_batch_size=config["pretrain_batch_size"],
        stopping_step=config["pretrain_stopping_step"],
        # Sources are large, and what a bundle is found by has no such key.
        epoch_steps=1,
        **values,
    )


def train_on_sources(config, domains, unfinished):
    """Trains the base sequence model (IDP, ID-based pre-training).

    Args:
        config (Config): RecBole's configuration with the ``pretrain_*`` keys.
        domains (Domains): The merged source domains.
        unfinished (Path): The folder by which an interrupted training goes on.

    Returns:
        tuple[IDP, dict, float]: The best model by validation, its validation metrics, and training targets a second.
    """
    # What a bundle is found by says nothing of how targets are ranked.
    changes = {"train_negatives": config["pretrain_negatives"], "generated_prior": 0.0, "exclude_history": False}
    settings = source_settings(config, **changes)
    train, valid = domains.split(config["pretrain_valid_users"], config["seed"])
    init_seed(config["seed"], config["reproducibility"])
    model = get_model(config["model"])(settings, train.dataset).to(config["device"])
    trainer = SequenceTrainer(settings, model)
    trainer.keep_in(unfinished)
    _, result = trainer.fit(train, valid, saved=True, show_progress=config["show_progress"])
    trainer.restore(trainer.saved_model_file)
    return model, dict(result or {}), trainer.targets_per_second
