"""The process that measures: ``python -m recbole_idp.benchmark.scale.worker REQUEST ANSWER``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from recbole_idp.cli.threads import share_processors
from recbole_idp.errors import UserError

# What RecBole's trainer and PyTorch's optimizers import when they are made, 160 MB: it is not the stage's.
_IMPORTED_LATER = ("torch.utils.tensorboard", "torch._dynamo")


def main(request_file: str, answer_file: str) -> int:
    """Run the job of a request, and write its measurements after each stage.

    Args:
        request_file: What :meth:`~recbole_idp.benchmark.scale.request.Request.write` wrote.
        answer_file: The file of the measurements.

    Returns:
        The exit status.
    """
    share_processors()
    from recbole.utils import init_logger

    from recbole_idp.benchmark.scale.meter import Meter
    from recbole_idp.benchmark.scale.request import Request
    from recbole_idp.config.derive import derive

    request = Request.read(Path(request_file))
    module = importlib.import_module(f"recbole_idp.benchmark.scale.{request.side}")
    for name in _IMPORTED_LATER:
        importlib.import_module(name)
    config = request.made_config()
    if config["threads"]:
        import faiss
        import torch

        torch.set_num_threads(config["threads"])
        faiss.omp_set_num_threads(config["threads"])
    init_logger(derive(config, state="WARNING"))
    try:
        getattr(module, request.job)(request, Meter(Path(answer_file)))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
