"""UniSRec at a small size."""

import functools

from recbole_idp import testing
from tests.support import models

SMALL = {"n_experts": 3}

configured = functools.partial(testing.configured, model="UniSRec", **SMALL)
made = functools.partial(models.made, model="UniSRec", **SMALL)
fitted = functools.partial(models.fitted, model="UniSRec", **SMALL)
