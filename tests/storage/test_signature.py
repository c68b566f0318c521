"""The secret of a user, and what is signed with it."""

import stat

import pytest

from recbole_idp.storage import signature
from recbole_idp.storage.signature import digest_of, is_signature, key_file, signature_of


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Starts without a secret, in an empty folder of settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    signature._key.cache_clear()
    yield tmp_path / "settings"
    signature._key.cache_clear()


def forget():
    signature._key.cache_clear()


def test_a_signature_is_of_the_parts_and_of_the_user(settings):
    signed = signature_of([b"one", b"two"])
    assert is_signature(signed, [b"onetwo"]) and not is_signature(signed, [b"one", b"too"])
    assert signed != digest_of([b"one", b"two"])
    forget()
    assert is_signature(signed, [b"one", b"two"])
    key_file().unlink()
    forget()
    assert not is_signature(signed, [b"one", b"two"])
    for nonsense in (None, "", "é", "0" * 32):
        assert not is_signature(nonsense, [b"one"])


def test_the_secret_is_the_users_alone(settings):
    signature_of([b"text"])
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600 and key_file().stat().st_size == 32
    assert [path.name for path in key_file().parent.iterdir()] == ["key"]


def test_a_damaged_secret_is_made_again(settings):
    signature_of([b"text"])
    key_file().write_bytes(b"short")
    forget()
    signed = signature_of([b"text"])
    forget()
    assert is_signature(signed, [b"text"])


def test_where_no_secret_can_be_kept_one_line_says_so(settings, caplog):
    settings.write_text("a file, where the folder would be")
    signed = signature_of([b"text"])
    assert is_signature(signed, [b"text"])
    assert len(caplog.records) == 1 and "XDG_CONFIG_HOME" in caplog.text
