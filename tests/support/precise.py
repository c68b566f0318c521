"""PRECISE at a small size."""

import functools

from recbole_idp import testing
from tests.support import models

SMALL = {
    "semantic_size": 8,
    "token_count": 2,
    "token_width": 4,
    "n_experts": 3,
    "targeted_length": 6,
    "head_size": 32,
}

configured = functools.partial(testing.configured, model="PRECISE", **SMALL)
made = functools.partial(models.made, **SMALL)
fitted = functools.partial(models.fitted, **SMALL)
