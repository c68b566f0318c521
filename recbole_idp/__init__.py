"""recbole_idp: ID-centric cross-domain transfer for RecBole.

``import recbole_idp`` is enough for RecBole's own functions to find the plugin's models.
"""

from recbole_idp.errors import UserError
from recbole_idp.registry import add_model, register

__all__ = ["UserError", "__version__", "add_model", "register"]

__version__ = "0.1.0"

register()
