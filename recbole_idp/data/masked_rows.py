"""Rows for BERT4Rec: some events of a row are hidden, and are to be told from those on either side."""

import torch
from torch.nn import functional

from recbole_idp.data.rows import Batch


class MaskedBatches:
    """Turns rows with next items into rows of events of which some are hidden, drawn anew each epoch.

    A row is all that next-item training would read: its items and its last target. Either each of its events is hidden
    with the chance ``mask_ratio``, at least one of them; or, in the share ``ft_ratio`` of the rows, the last one alone,
    which is what recommending asks for.

    Args:
        rows (PositionBatches | PrefixBatches): Batches of rows.
        cut (bool): Whether a row whose last event is hidden ends anywhere, as rows of :class:`PrefixBatches` do, so
            that each of a user's events is to be told from those before it at times.
        mask_token (int): Stands for a hidden event.
        mask_ratio (float): RecBole's key; chance of an event to be hidden, in (0, 1].
        ft_ratio (float): RecBole's key; share of the rows whose last event alone is hidden, in [0, 1].
        max_length (int): Events of a row at most; the oldest makes room.
        generator (torch.Generator): The source of the draws.
    """

    def __init__(self, rows, cut, mask_token, mask_ratio, ft_ratio, max_length, generator):
        self.rows, self.cut, self.mask_token, self.max_length = rows, cut, mask_token, max_length
        self.mask_ratio, self.ft_ratio, self.generator = mask_ratio, ft_ratio, generator

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        for batch in self.rows:
            parts = tuple(self._hide(*self._events(items, targets)) for items, targets in batch.parts)
            yield Batch(parts, sum(int((targets > 0).sum()) for _, targets in parts))

    def _events(self, items, targets):
        """Joins the items of each row and its last target; returns events [B, L'] and how many they are, [B]."""
        lengths = (items > 0).sum(1)
        return append_event(items, lengths, targets[torch.arange(len(items)), lengths - 1], self.max_length)

    def _hide(self, events, lengths):
        """Returns the rows with hidden events, and what these were, 0 elsewhere; both of shape [B, L']."""
        draws = torch.rand(events.shape, generator=self.generator).masked_fill_(events == 0, 2)
        hidden = draws < self.mask_ratio
        # No row is read for nothing.
        hidden.scatter_(1, draws.argmin(1, keepdim=True), True)
        last_alone = torch.rand(len(events), 1, generator=self.generator) < self.ft_ratio
        last = (lengths - 1).unsqueeze(1)
        if self.cut:
            last = 1 + (torch.rand(len(events), 1, generator=self.generator) * last).long()
        places = torch.arange(events.shape[1])
        hidden = torch.where(last_alone, places == last, hidden)
        events = events.masked_fill(last_alone & (places > last), 0)
        return events.masked_fill(hidden, self.mask_token), events.masked_fill(~hidden, 0)


def append_event(items, lengths, event, max_length):
    """Puts one more event after the last of each row; a row that is full loses its oldest one.

    Args:
        items (torch.LongTensor): Padded with 0 on the right, at most ``max_length`` wide; shape [B, L].
        lengths (torch.LongTensor): Events of each row; shape [B].
        event (torch.LongTensor | int): The new event, of each row or of all; shape [B].
        max_length (int): Events of a row at most.

    Returns:
        tuple[torch.LongTensor, torch.LongTensor]: The rows, no wider than ``max_length``, and their lengths.
    """
    rows = functional.pad(items, (0, 1))
    rows[torch.arange(len(rows), device=rows.device), lengths] = event
    full = (lengths >= max_length).long()
    columns = torch.arange(min(rows.shape[1], max_length), device=rows.device)
    return rows.gather(1, columns + full.unsqueeze(1)), lengths + 1 - full
