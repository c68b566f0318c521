"""What adapters the text encoder of Adapter4Rec gets, as one value that a trained folder keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

from recbole_idp.nn.adapters.forms import AdapterForm, AdapterKind
from recbole_idp.storage.schema import Nullable, SchemaError, check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

_SCHEMA: dict[str, Any] = {
    "kind": set(get_args(AdapterKind)),
    "inner": int,
    "rank": int,
    "reference": bool,
    "prompt_length": int,
    "layers": Nullable(int),
}


@dataclass(frozen=True)
class ContentAdapters:
    """What adapters a text encoder gets, and where.

    Attributes:
        form: The adapters.
        prompt_length: Learned vectors of a soft prompt.
        layers: How many of the last layers get adapters; None: all.
    """

    form: AdapterForm
    prompt_length: int
    layers: int | None

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`values` returned, as the description of a trained folder has it.

        Raises:
            ValueError: The values are no adapters.
        """
        try:
            check_schema(values, _SCHEMA, "adapters")
        except SchemaError as error:
            raise ValueError(str(error)) from None
        form = {name: values[name] for name in ("kind", "inner", "rank", "reference")}
        return cls(AdapterForm(**form), values["prompt_length"], values["layers"])

    def values(self) -> dict[str, Any]:
        """Return all that decides on the adapters, for a description."""
        return {**asdict(self.form), "prompt_length": self.prompt_length, "layers": self.layers}
