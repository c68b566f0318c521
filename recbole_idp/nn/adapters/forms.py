"""The forms of adapters that Adapter4Rec compares (arXiv 2305.15036), grafted into a sequence encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from torch import nn

from recbole_idp.nn.adapters.bottleneck import Bottleneck, PfeifferNorm
from recbole_idp.nn.adapters.k_adapter import KAdapterChain, KAdapters
from recbole_idp.nn.adapters.lora import LoRALinear
from recbole_idp.nn.adapters.phm import Compacter, Rule
from recbole_idp.nn.adapters.sockets import Grafted, Parallel, ParallelReference, Replacing, Serial, fill_sockets

if TYPE_CHECKING:
    from recbole_idp.nn.encoder.transformer import Block, TransformerEncoder

AdapterKind = Literal[
    "houlsby", "parallel", "pfeiffer", "pfeiffer_attention", "lora", "compacter", "k_adapter", "soft_prompt"
]
RULES = 4
"""The paper's number of Compacter's small matrices."""
_ATTENTION, _BOTH = slice(0, 1), slice(None)


@dataclass(frozen=True)
class AdapterForm:
    """What adapters an encoder gets.

    Attributes:
        kind: ``houlsby``: a bottleneck behind attention and behind the feed-forward layer; ``parallel``: beside both;
            ``pfeiffer``: behind the block's last norm, with a norm of its own; ``pfeiffer_attention``: a bottleneck
            behind attention alone, the paper's scripts' "pfeiffer_ver2"; ``lora``: changes of low rank to queries and
            values; ``compacter``: as ``houlsby``, of hypercomplex layers; ``k_adapter``: a chain of small Transformers
            beside the blocks; ``soft_prompt``: learned vectors before the tokens, and none in a sequence encoder.
        inner: Width inside the adapters.
        rank: Rank of LoRA.
        reference: Whether ``parallel`` and ``compacter`` are as in the authors' code: the former counts its input
            twice, the latter drops the sublayer's output. Otherwise both start near the encoder without adapters.
    """

    kind: AdapterKind
    inner: int
    rank: int
    reference: bool = False

    def socket(self) -> tuple[type[Grafted], slice]:
        """Return the kind of the sockets, and which of a block's two they are, of a form that fills sockets."""
        if self.kind == "parallel":
            return (ParallelReference if self.reference else Parallel), _BOTH
        if self.kind == "compacter":
            return (Replacing if self.reference else Serial), _BOTH
        return Serial, _ATTENTION if self.kind == "pfeiffer_attention" else _BOTH

    def maker(self, width: int, owner: nn.Module) -> Callable[[], nn.Module]:
        """Return what makes an adapter for a socket.

        Args:
            width: Width of the vectors.
            owner: The encoder; what all adapters share becomes a part of it.
        """
        if self.kind != "compacter":
            return lambda: Bottleneck(width, self.inner)
        rule = owner.adapter = Rule(RULES)
        return lambda: Compacter(width, self.inner, rule)


def adapt_sequence_encoder(encoder: TransformerEncoder, form: AdapterForm, n_heads: int = 2) -> None:
    """Graft adapters into a sequence encoder; their weights have ``adapter`` in their names.

    Args:
        encoder: The encoder, causal.
        form: The adapters.
        n_heads: Heads of K-adapter's small blocks.
    """
    width = encoder.norm.normalized_shape[0]
    blocks = [cast("Block", block) for block in encoder.blocks]
    if form.kind == "pfeiffer":
        for block in blocks:
            block.feed_forward_norm = PfeifferNorm(block.feed_forward_norm, form.inner)
    elif form.kind == "lora":
        for block in blocks:
            # Queries and values of the three that lie side by side.
            block.attention.query_key_value = LoRALinear(block.attention.query_key_value, form.rank, 3, (0, 2))
    elif form.kind == "k_adapter":
        encoder.chain = KAdapterChain(KAdapters(width, form.inner, len(blocks), n_heads))
    elif form.kind != "soft_prompt":
        fill_sockets(encoder, *form.socket(), form.maker(width, encoder))
