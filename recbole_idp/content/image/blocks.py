"""Cut an image network below its last blocks."""

from __future__ import annotations

from typing import cast

from torch import nn

from recbole_idp.errors import UserError


class Cut:
    """A place between two blocks of a network.

    Args:
        network: The network.
        parent: The module that holds the blocks.
        name: Their name in it.
        kept: How many blocks lie below the cut.
    """

    def __init__(self, network: nn.Module, parent: nn.Module, name: str, kept: int) -> None:
        self._network, self._parent, self._name, self.kept = network, parent, name, kept
        self._whole = cast("nn.Sequential", getattr(parent, name))

    @property
    def first(self) -> nn.Module:
        """The first block above the cut."""
        return self._whole[self.kept]

    def remove(self) -> None:
        """Take the blocks below the cut out of the network."""
        setattr(self._parent, self._name, self._whole[self.kept :])

    def restore(self) -> None:
        """Put them back."""
        setattr(self._parent, self._name, self._whole)

    def trained_names(self) -> list[str]:
        """Return the parameters above the cut: of these blocks, and of what the network lists behind them."""
        names = [name for name, _ in self._network.named_parameters()]
        own = {id(parameter) for parameter in self.first.parameters()}
        started = [id(parameter) in own for _, parameter in self._network.named_parameters()]
        return names[started.index(True) :]


def cut_below(network: nn.Module, blocks: int, name: str) -> Cut:
    """Return the cut below the last blocks of a network.

    Args:
        network: The network.
        blocks: How many blocks lie above the cut.
        name: The encoder's name, for messages.

    Raises:
        UserError: It has no list of blocks, or fewer of them.
    """
    lists = [
        (sum(parameter.numel() for parameter in child.parameters()), parent, child_name, child)
        for parent in network.modules()
        for child_name, child in parent.named_children()
        if isinstance(child, (nn.ModuleList, nn.Sequential)) and len(child) > 1
    ]
    if not lists:
        raise UserError(f"trained_layers finds no list of blocks in {name}, of which it names the last: train all")
    # Blocks hold most of a network's weights; of lists within each other, the outermost comes first.
    _, parent, child_name, child = max(lists, key=lambda entry: entry[0])
    if blocks > len(child):
        raise UserError(f"trained_layers is {blocks}, but {name} has {len(child)} blocks: give fewer")
    return Cut(network, parent, child_name, len(child) - blocks)
