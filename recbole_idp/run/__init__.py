"""The whole job: what a run does, from source data to a table.

``recbole_idp.run`` is this package and also the public function :func:`recbole_idp.run.run.run`.
"""

from recbole_idp.callable_package import make_callable

make_callable(__name__, "recbole_idp.run.run:run")
