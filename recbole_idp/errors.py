"""The one exception that means "the user can fix this"."""


class UserError(Exception):
    """A problem in the input, the configuration or the machine that its user can solve.

    The message is a single line: what is wrong, where, and what to do. The command line prints it and exits with
    status 2; nothing else in the package catches it.
    """


def nearest(name, candidates, limit=1):
    """Returns the candidates that look most like ``name``, best first, ignoring case.

    Args:
        name (str): What was typed.
        candidates (Iterable[str]): The valid names.
        limit (int): How many to return at most.

    Returns:
        list[str]: At most ``limit`` candidates; empty where none is similar.
    """
    import difflib

    by_lower = {str(candidate).lower(): str(candidate) for candidate in candidates}
    matches = difflib.get_close_matches(str(name).lower(), by_lower, n=limit, cutoff=0.5)
    return [by_lower[match] for match in matches]
