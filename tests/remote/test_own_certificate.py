"""A certificate of one's own is judged before anything is changed: one message each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from core.errors import DeployError
from remote.own_certificate import OwnCertificate, read
from tests.certificates import NOW, Files, Maker, pem, signed

DOMAIN = "llm.example.org"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def judged(files: Files, domain: str = DOMAIN) -> OwnCertificate:
    return read(str(files.certificate), str(files.key), domain)


@pytest.mark.parametrize("names", [(DOMAIN,), ("other.org", DOMAIN), ("*.example.org",), ("LLM.Example.org",)])
def test_a_right_one_comes_with_its_chain_then_its_key(maker: Maker, names: tuple[str, ...]) -> None:
    files = maker.files(*names)
    found = judged(files)
    assert found.pem == files.pem
    assert (found.until, found.lacks_issuer) == (files.leaf.not_valid_after_utc, False)
    assert "PRIVATE" not in repr(found)


def test_a_chain_without_who_issued_it_is_said(maker: Maker) -> None:
    files = maker.files(DOMAIN)
    files.certificate.write_bytes(pem(files.leaf))
    assert (judged(files).lacks_issuer, judged(files).issuer) == (True, "CN=authority")


def test_one_that_signs_itself_lacks_nobody(tmp_path: Path) -> None:
    made = signed("me", None, names=(DOMAIN,))
    files = Files(tmp_path / "a.pem", tmp_path / "a.key", made.certificate)
    files.certificate.write_bytes(pem(made.certificate))
    Maker(tmp_path).write_key(made, files.key)
    assert not judged(files).lacks_issuer


def _another_key(maker: Maker, files: Files) -> None:
    files.key.write_bytes(maker.files(DOMAIN).key.read_bytes())


def _sealed_key(maker: Maker, files: Files) -> None:
    sealed = BestAvailableEncryption(b"secret")
    files.key.write_bytes(signed("x", None).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))


def _swapped(maker: Maker, files: Files) -> None:
    files.certificate.write_bytes(pem(files.leaf) + pem(maker.top.certificate))


WRONG: list[tuple[Callable[[Maker, Files], object], str]] = [
    (_another_key, "is not the key of the first certificate in"),
    (_sealed_key, "has a passphrase, and HAProxy starts without a person"),
    (_swapped, "certificate 1 (CN=leaf) was not issued by the next one (CN=root)"),
    (lambda _, f: f.key.unlink(), "cannot be read: No such file or directory. Is it on this computer?"),
    (lambda _, f: f.certificate.unlink(), "cannot be read: No such file or directory. Is it on this computer?"),
    (lambda _, f: f.key.write_text("hello"), "holds no private key in PEM"),
    (lambda _, f: f.certificate.write_text("hello"), "holds no certificate in PEM"),
    (lambda _, f: f.certificate.write_text(f.key.read_text()), "holds no certificate in PEM"),
]


@pytest.mark.parametrize(("spoil", "part"), WRONG, ids=[part[:30] for _, part in WRONG])
def test_what_cannot_be_used_says_which_file_and_why(
    maker: Maker, spoil: Callable[[Maker, Files], object], part: str
) -> None:
    files = maker.files(DOMAIN)
    spoil(maker, files)
    with pytest.raises(DeployError) as caught:
        judged(files)
    assert part in str(caught.value)
    assert str(files.certificate.parent) in str(caught.value)
    assert str(caught.value).startswith("pilotlight:access.")


def test_an_expired_one_is_refused_with_its_day(maker: Maker) -> None:
    files = maker.files(DOMAIN, before=NOW - timedelta(days=90), after=NOW - timedelta(hours=1))
    with pytest.raises(DeployError, match=r"expired on \d{4}-\d\d-\d\d .*Nothing was changed"):
        judged(files)


def test_one_that_is_not_valid_yet_is_refused(maker: Maker) -> None:
    with pytest.raises(DeployError, match="is valid only from"):
        judged(maker.files(DOMAIN, before=NOW + timedelta(days=1)))


@pytest.mark.parametrize("names", [(), ("example.org",), ("a.llm.example.org",), ("*.llm.example.org",), ("*.org",)])
def test_one_for_another_name_says_for_which(maker: Maker, names: tuple[str, ...]) -> None:
    with pytest.raises(DeployError) as caught:
        judged(maker.files(*names))
    assert f"is for {', '.join(names) or 'no DNS name'}, and pilotlight:access.domain is {DOMAIN}" in str(caught.value)
