"""Many models, datasets and seeds in one command: every combination is a job, and the jobs make a board.

``recbole_idp.leaderboard`` is this package and also the public function
:func:`recbole_idp.leaderboard.python.leaderboard`.
"""

from recbole_idp.callable_package import make_callable

make_callable(__name__, "recbole_idp.leaderboard.python:leaderboard")
