"""Values of JSON files are of their type, finite, and of a size that arithmetic takes."""

import pytest

from recbole_idp.storage.schema import SchemaError, check_schema


@pytest.mark.parametrize("value", [10**400, -(10**30), float("inf"), float("nan"), True, "1", None])
@pytest.mark.parametrize("kind", [int, float])
def test_what_is_no_usable_number_is_refused(kind, value):
    with pytest.raises(SchemaError, match="share is not"):
        check_schema({"share": value}, {"share": kind}, "")


def test_numbers_of_every_usable_size_are_taken():
    for value in (0, -3, 2**63 - 1, 1.5, 1e308):
        check_schema({"share": value}, {"share": float}, "")
