"""The whole job, from source data to a table, to be read from top to bottom."""

import logging
import sys
import time
from pathlib import Path

import torch
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_logger, init_seed

from recbole_idp.bundle import versions
from recbole_idp.data.domains import check_domains, content_hashes
from recbole_idp.derived_config import derive, given_values
from recbole_idp.errors import UserError
from recbole_idp.files import check_writable, fingerprint
from recbole_idp.report.result import markdown_table, read_result, save_result
from recbole_idp.resume import Unfinished
from recbole_idp.stages import StageClock, peak_memory_mb
from recbole_idp.trainer.pretrain import cache_folder, find_or_pretrain
from recbole_idp.trainer.transfer import VARIANTS, TransferTrainer, prepare_start


def pretrain(config):
    """The task ``pretrain``: makes the bundle of a configuration, or finds it.

    Args:
        config (Config): The configuration.

    Returns:
        Bundle: The bundle.
    """
    prepare(config)
    bundle = find_or_pretrain(config)
    print(f"Bundle: {bundle.folder}")
    return bundle


def run(config):
    """The task ``run``: pre-trains, transfers, and compares the variants on one target.

    Args:
        config (Config): The configuration.

    Returns:
        dict: The result, as saved.

    Raises:
        UserError: Something in the data or the configuration is wrong.
    """
    check_model(config)
    prepare(config)
    clock = StageClock()
    logger = logging.getLogger()
    transfers = any(variant != "scratch" for variant in config["variants"])
    if transfers and not config["pretrained"]:
        check_domains(config)

    with clock.stage("read", f"reading {config['dataset']}"):
        dataset = create_dataset(config)
        train, valid, test = data_preparation(config, dataset)
        logger.info(dataset)

    start = None
    if transfers:
        start = prepare_start(config, train.dataset, clock)

    data = data_fingerprint(config, dataset)
    unfinished = Unfinished(config, data, start.bundle if start else None)
    variants = {}
    for variant in config["variants"]:
        outcome = unfinished.find(variant)
        if outcome is None:
            outcome = run_variant(config, variant, start, (train, valid, test), clock)
            unfinished.keep(variant, outcome)
        variants[variant] = outcome

    result = {
        "model": config["model"],
        "dataset": config["dataset"],
        "data_fingerprint": data,
        "protocol": config["eval_args"]["mode"]["test"],
        "seed": config["seed"],
        "variants": variants,
        "stages": clock.stages,
        # The stages' seconds are without those of variants that an interrupted run had finished.
        "resumed": unfinished.resumed,
        "peak_memory_mb": peak_memory_mb(),
        "bundle": str(start.bundle.folder) if start else None,
        "config": given_values(config),
        "versions": versions(),
        "command": " ".join(["python", *sys.argv]) if sys.argv[0].endswith(".py") else " ".join(sys.argv),
    }
    path = save_result(result, config["result_dir"])
    unfinished.discard()
    show(read_result(path), path)
    return result


def run_variant(config, variant, start, loaders, clock):
    """Makes, trains and evaluates one variant of the target model.

    Args:
        config (Config): The configuration.
        variant (str): A key of ``VARIANTS``.
        start (TransferStart | None): What was pre-trained and matched.
        loaders (tuple): RecBole's loaders for training, validation and test.
        clock (StageClock): Where stages are timed.

    Returns:
        dict: ``test`` and ``valid`` metrics, ``seconds``, training speed.
    """
    train, valid, test = loaders
    settings = derive(config, transfer=variant)
    began = time.perf_counter()
    # The same seed for each: variants differ in what they start from and in nothing else.
    init_seed(config["seed"], config["reproducibility"])
    model = get_model(config["model"])(settings, train.dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(settings, model)
    trainer.start = start
    trainer.saved_model_file = trainer.saved_model_file.replace(".safetensors", f"-{variant}.safetensors")
    try:
        with clock.stage("transfer", f"{variant}: {VARIANTS[variant]}"):
            _, valid_result = trainer.fit(train, valid, saved=True, show_progress=config["show_progress"])
        with clock.stage("evaluate", f"{variant} on {len(test.dataset):,} test users"):
            test_result = trainer.evaluate(test, load_best_model=True, show_progress=config["show_progress"])
    except BaseException:
        # Nobody would look for the checkpoint of a variant that is trained again.
        Path(trainer.saved_model_file).unlink(missing_ok=True)
        raise
    return {
        "test": dict(test_result),
        "valid": dict(valid_result or {}),
        "seconds": round(time.perf_counter() - began, 2),
        "targets_per_second": round(trainer.targets_per_second),
        "checkpoint": trainer.saved_model_file,
    }


def prepare(config):
    """Checks the folders, and sets threads, seed and logging as the configuration says.

    Raises:
        UserError: A folder cannot be written.
    """
    folders = {key: config[key] for key in ("checkpoint_dir", "result_dir")}
    # RecBole's own, which it makes in the current folder.
    folders.update({"the log": "log", "TensorBoard's log": "log_tensorboard", "cache_path": cache_folder(config)})
    for key, folder in folders.items():
        check_writable(key, folder)
    if config["threads"]:
        import faiss

        torch.set_num_threads(config["threads"])
        faiss.omp_set_num_threads(config["threads"])
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)


def check_model(config):
    """Checks that the model can start from source domains.

    Raises:
        UserError: It is one that only RecBole trains.
    """
    name = config["model"]
    if not issubclass(get_trainer(config["MODEL_TYPE"], name), TransferTrainer):
        raise UserError(
            f"{name} takes nothing over from source domains: train it by RecBole's run_recbole(model={name!r})"
        )


def data_fingerprint(config, dataset):
    """Returns 16 hexadecimal digits for the target's files and all that decides on rows and split."""
    keys = (
        "load_col",
        "val_interval",
        "user_inter_num_interval",
        "item_inter_num_interval",
        "rm_dup_inter",
        "eval_args",
    )
    return fingerprint([content_hashes(dataset.location), {key: config[key] for key in keys}])


def show(result, path):
    """Prints the table of a result and where it was saved."""
    print(f"\n{result['dataset']}, {result['protocol']} ranking, seed {result['seed']}\n")
    print(markdown_table(result))
    stages = ", ".join(f"{name} {facts['seconds']:.1f} s" for name, facts in result["stages"].items())
    print(f"\nStages: {stages}; peak memory {result['peak_memory_mb']:,} MiB\nResult: {path}")
