"""A token after the last event."""

import pytest
import torch

from recbole_idp.nn.encoder.dilated import DilatedEncoder
from recbole_idp.nn.encoder.keys import DilatedSettings, TransformerSettings
from recbole_idp.nn.encoder.token import TokenEncoder
from recbole_idp.nn.encoder.transformer import TransformerEncoder


@pytest.mark.parametrize(
    "encoder",
    [
        DilatedEncoder(DilatedSettings(hidden_size=8, initializer_range=0.3)),
        TransformerEncoder(TransformerSettings(hidden_size=8, inner_size=16), 6),
    ],
)
def test_the_last_state_is_that_of_the_token_and_others_are_those_of_events(encoder):
    torch.manual_seed(0)
    both = TokenEncoder(encoder, 8, 0.3).eval()
    lengths = [5, 3, 1]
    vectors = torch.randn(3, 5, 8)
    padding = torch.arange(5) >= torch.tensor(lengths).unsqueeze(1)
    with torch.no_grad():
        found = both(vectors, padding)
        for row, length in enumerate(lengths):
            longer = torch.cat([vectors[row, :length], both.token.unsqueeze(0)]).unsqueeze(0)
            expected = encoder(longer, torch.zeros(1, length + 1, dtype=torch.bool))[0]
            torch.testing.assert_close(found[row, length - 1], expected[-1])
            torch.testing.assert_close(found[row, : length - 1], expected[: length - 1])
