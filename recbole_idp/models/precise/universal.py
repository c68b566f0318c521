"""PRECISE's universal training, and finding what it gave before."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from recbole.utils import init_seed
from safetensors.torch import save_file

from recbole_idp.config.derive import as_pretrained, derive
from recbole_idp.content.text.encoder import configured_text_encoder
from recbole_idp.data.content_hashes import content_hashes
from recbole_idp.data.domain_texts import check_any_text, texts_by_domain
from recbole_idp.data.domains import TargetLoader, check_domains
from recbole_idp.data.sequences import Targets
from recbole_idp.errors import UserError
from recbole_idp.models.idp.pretrain import HYPER_PARAMETERS, source_settings
from recbole_idp.models.precise.experts import log_experts
from recbole_idp.models.precise.model import PRECISE_UT, PreciseModel, transferable
from recbole_idp.models.precise.token_states import token_vectors
from recbole_idp.models.precise.universal_data import load_universal
from recbole_idp.storage.environment import versions
from recbole_idp.storage.files import fingerprint
from recbole_idp.storage.folders import new_folder
from recbole_idp.storage.schema import ObjectOf
from recbole_idp.storage.sealed import Kind, check_sealed, find_or_make, read_weights, seal
from recbole_idp.train.clock import StageClock, peak_memory_mb
from recbole_idp.train.trainer import SequenceTrainer

DESCRIPTION, WEIGHTS, ITEMS, CARD = "precise.json", "weights.safetensors", "items.tsv", "README.md"
KIND = Kind(
    *("universal PRECISE", "a run of PRECISE or PRECISE_UT", "recbole_idp PRECISE", 1, (1,), DESCRIPTION),
    frozenset((WEIGHTS, ITEMS)),
    {"fingerprint": str, "target": str, "domains": [{"name": str, "items": int}], "sizes": ObjectOf()},
)

# What its losses and batches do not look at.
_UNUSED = ("model", "loss_type", "training_rows", "negative_smoothing", "pretrain_negatives")

# What decides, with the target's files, on which of its events are held out.
_HELD_OUT = (
    *("eval_args", "val_interval", "user_inter_num_interval", "item_inter_num_interval", "rm_dup_inter"),
    *("targeted_interval", "train_users_share", "train_users_seed"),
)


@dataclass(frozen=True)
class UniversalModel:
    """What universal training hands to the target: a folder that executes nothing when it is opened.

    Attributes:
        state (dict[str, torch.Tensor]): Weights of fusion and Transformer.
        tokens (list[str]): Ids of the target's items, in the order of their rows from 1 on.
        description (dict): ``domains``, ``target``, ``sizes``, ``hyper_parameters``, ``valid``, ``seconds`` of
            training, ``expert_usage``, ``seed``, ``fingerprint``, ``versions``.
        folder (Path): Where it lies.
    """

    state: dict
    tokens: list
    description: dict
    folder: Path

    @classmethod
    def open(cls, folder):
        """Opens a folder after checking each of its files.

        Args:
            folder (str | Path): The folder.

        Returns:
            UniversalModel: What it holds.

        Raises:
            UserError: It is something else, of another version, or damaged.
        """
        folder = Path(folder)
        description = check_sealed(folder, KIND)
        # The first lines are the target's, the domains standing in their order.
        lines = (folder / ITEMS).read_text(encoding="utf-8").split("\n")[1 : 1 + description["domains"][0]["items"]]
        tokens = [line.partition("\t")[2] for line in lines]
        return cls(read_weights(folder / WEIGHTS, KIND), tokens, description, folder)

    def rows(self, item_tokens):
        """Returns the rows of some of the target's items.

        Args:
            item_tokens (list[str]): Their ids, the first being padding; length N.

        Returns:
            torch.LongTensor: Shape [N].

        Raises:
            UserError: An item is not there.
        """
        row_of = {token: row for row, token in enumerate(self.tokens, 1)}
        if missing := [token for token in item_tokens[1:] if token not in row_of]:
            raise UserError(f"{self.folder} does not know item {missing[0]}: train it again with this target")
        return torch.tensor([0, *(row_of[token] for token in item_tokens[1:])])


class UniversalTrainer(SequenceTrainer):
    """Trains first with the token vectors as they are, so that IDs learn, then everything (PRECISE, alternation).

    Patience counts in the second phase only.

    Args:
        config (Config): With ``frozen_share``, the share of the epochs that belong to the first phase.
        model (PRECISE_UT): The model.
    """

    def __init__(self, config, model):
        super().__init__(config, model)
        self.frozen_epochs = round(config["frozen_share"] * self.epochs)

    def _train_epoch(self, train_data, epoch_idx, loss_func=None, show_progress=False):
        self.model.fusion.freeze_tokens(epoch_idx < self.frozen_epochs)
        return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _after_epoch(self, epoch):
        if epoch < self.frozen_epochs:
            self.cur_step = 0


def hyper_parameters(config):
    """Returns the keys and values that decide, with the data, on what universal training yields."""
    keys = [key for key in HYPER_PARAMETERS if key not in _UNUSED]
    keys += [*PreciseModel.encoder_keys, *PreciseModel.training_keys, *_HELD_OUT, "text_fields", "pretrain_epoch_steps"]
    return {key: config[key] for key in dict.fromkeys(keys)}


def universal_settings(config, **values):
    """Returns the configuration of universal training, a copy with further values."""
    changes = {"dataset": config["dataset"], "epoch_steps": config["pretrain_epoch_steps"], "train_negatives": 0}
    return derive(source_settings(config), exclude_history=True, **changes, **values)


def find_or_train(config, dataset, valid=None, clock=None):
    """Opens the universal model that a configuration means, and trains it first where there is none.

    Args:
        config (Config): With ``pretrained`` naming a folder, or else the sources and all hyper-parameters.
        dataset (SequenceDataset): The training part of the target.
        valid (SequenceDataset, optional): The part that it is validated on; without it every epoch is trained.
        clock (StageClock, optional): Where stages are timed.

    Returns:
        UniversalModel: Fusion and Transformer.

    Raises:
        UserError: The named folder, the sources or the texts cannot be used.
    """
    target = fingerprint([content_hashes(dataset.location), {key: config[key] for key in _HELD_OUT}])
    if config["pretrained"]:
        found = UniversalModel.open(config["pretrained"])
        if found.description["target"] != target:
            raise UserError(
                f"{found.folder} was trained for {found.description['domains'][0]['name']} with another split or other "
                f"data than this run's {config['dataset']}, so that it may know what is tested: leave --pretrained away"
            )
        return found
    config = as_pretrained(config)
    locations = check_domains(config, with_target=True)
    encoder = configured_text_encoder(config)
    digits = fingerprint(
        {
            "target": target,
            "sources": [content_hashes(location) for location in locations],
            "text_encoder": encoder.name if encoder.needs_fitting else encoder.fingerprint,
            "hyper_parameters": hyper_parameters(config),
            "validated": valid is not None,
        }
    )
    names = "-".join([config["dataset"], *config["source_domains"]])[:80]
    folder = Path(config["checkpoint_dir"]) / f"precise-{names}-{digits[:8]}"
    about = {"fingerprint": digits, "target": target, "text_encoder": encoder.name}

    def make():
        return train(config, (dataset, valid), folder, about, clock or StageClock())

    return find_or_make(folder, KIND, digits, UniversalModel.open, make)


def train(config, parts, folder, about, clock):
    """Trains the universal model and writes its folder.

    Which epoch is best, the target's validated users tell, as it is for them that the model is made. An interrupted
    training goes on from its last epoch, kept in ``checkpoint_dir/unfinished-precise-<fingerprint>``.

    Args:
        config (Config): RecBole's configuration.
        parts (tuple[SequenceDataset, SequenceDataset | None]): Those of the target to train and to validate on.
        folder (Path): Where the result goes.
        about (dict): What its description says besides: ``fingerprint``, ``target``, ``text_encoder``.
        clock (StageClock): Where stages are timed.

    Returns:
        UniversalModel: What was written.
    """
    names = ", ".join([config["dataset"], *config["source_domains"]])
    with clock.stage("read", f"reading {names}, all events that may be trained on"):
        dataset, valid = parts
        domains = load_universal(config, dataset)
        texts = universal_texts(config, dataset.location, domains)
    train_data, _ = domains.split(0, config["seed"])
    valid_data = None if valid is None else TargetLoader(domains, _drawn(valid.targets(), config))
    settings = universal_settings(config)
    tokens = None
    if config["fusion"] != "id_only":
        with clock.stage("encode", f"making token vectors of {len(texts):,} texts"):
            tokens = token_vectors(config, texts)
    unfinished = Path(config["checkpoint_dir"]) / f"unfinished-precise-{about['fingerprint']}"
    with clock.stage("pretrain", f"universal training on {domains.sequences.n_events:,} events") as facts:
        init_seed(config["seed"], config["reproducibility"])
        model = PRECISE_UT(settings, train_data.dataset)
        if tokens is not None:
            model.fusion.start_tokens(tokens)
        trainer = UniversalTrainer(settings, model.to(config["device"]))
        trainer.keep_in(unfinished)
        _, result = trainer.fit(train_data, valid_data, saved=True, show_progress=config["show_progress"])
        trainer.restore(trainer.saved_model_file)
        valid_metrics = dict(result or {})
        facts.update(targets_per_second=round(trainer.targets_per_second), valid=valid_metrics)
        logging.getLogger().info(f"Universal training: {peak_memory_mb():,} MiB at most so far")
    usage = model.fusion.expert_usage()
    if usage is not None:
        log_experts(usage.tolist(), f"universal training on {names}")
    description = {
        **about,
        "domains": [vars(domain) for domain in domains.domains],
        "sizes": {key: config[key] for key in PreciseModel.encoder_keys},
        "hyper_parameters": hyper_parameters(config),
        "valid": valid_metrics,
        "seconds": round(facts["seconds"] + trainer.earlier_seconds, 2),
        "expert_usage": None if usage is None else [round(share, 4) for share in usage.tolist()],
        "seed": config["seed"],
        "versions": versions(),
    }
    with new_folder(folder) as building:
        state = {name: value.detach().cpu().contiguous() for name, value in transferable(model).items()}
        save_file(state, building / WEIGHTS)
        names = [domain.name for domain in domains.domains]
        rows = zip(domains.item_domain[1:], domains.item_tokens[1:], strict=True)
        lines = ["domain\titem", *(f"{names[number]}\t{token}" for number, token in rows)]
        (building / ITEMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        (building / CARD).write_text(_model_card(description), encoding="utf-8")
        seal(building, KIND, description)
    trainer.discard()
    logging.getLogger().info(f"Universal PRECISE: {folder}")
    return UniversalModel.open(folder)


def _drawn(targets, config):
    """Returns the targets of ``pretrain_valid_users`` drawn users, or all where there are fewer."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(config["seed"]))
    rows = order[: config["pretrain_valid_users"]].sort().values
    return Targets(targets.sequences, targets.starts[rows], targets.ends[rows])


def universal_texts(config, target, domains):
    """Reads the texts of all items of the universal data.

    Args:
        config (Config): With ``text_fields`` for the target, ``source_text_fields`` for the others.
        target (DatasetLocation): Where the target lies.
        domains (Domains): The universal data.

    Returns:
        list[str]: Text of items 1 to N - 1.

    Raises:
        UserError: A domain has no texts.
    """
    if config["fusion"] == "id_only":
        return [""] * (len(domains.item_tokens) - 1)
    locations, texts = [target, *check_domains(config, with_target=True)], []
    for location, key, _, found in texts_by_domain(config, locations, domains.item_domain, domains.item_tokens):
        check_any_text(found, location.name, key)
        texts += found
    return texts


def _model_card(about):
    """Returns what a stranger should know about the folder, as Markdown."""
    names = [domain["name"] for domain in about["domains"]]
    valid = ", ".join(f"{name} {value:.4f}" for name, value in about["valid"].items())
    return (
        "# A universal PRECISE of recbole_idp\n\n"
        f"Item fusion and causal Transformer (arXiv 2412.06308), trained on {', '.join(names)}; of {names[0]}, the "
        "target, without what is validated and tested on.\n\n"
        f"- Text encoder: {about['text_encoder']}\n"
        f"- Validation on held-out events of the training data: {valid}\n"
        f"- Seed: {about['seed']}\n\n"
        f"Use it: `python run_recbole_idp.py --model=PRECISE --dataset={names[0]} --pretrained=THIS_FOLDER`\n"
    )
