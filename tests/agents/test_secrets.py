"""What is left out of quotations of endpoints and servers."""

from __future__ import annotations

from graphrt.agents.secrets import Secrets


def test_keys_headers_and_passwords_are_left_out() -> None:
    """Whole values and each word of them; a password as it stands in the address, and as it is sent."""
    secrets = Secrets("sk-1234567", headers={"Authorization": "Bearer tok-7654321"}, url="http://ann:p%40ssw0rd@host/")
    said = "sk-1234567, Bearer tok-7654321; 'tok-7654321' p@ssw0rd p%40ssw0rd"
    assert secrets.clean(said) == repr("…, …; '…' … …")
    assert secrets.are_in(said)
    assert "tok" not in repr(secrets)


def test_what_is_short_is_no_secret() -> None:
    """Words such as those of a dummy key stay readable."""
    secrets = Secrets("none", headers={"X": "yes"})
    assert not secrets.are_in("none yes")
    assert secrets.clean("none yes") == repr("none yes")
    assert Secrets().clean("a\n b") == repr("a b")
