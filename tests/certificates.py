"""Certificates for throw-away servers and clients, made by the openssl program where the tests need them.

    authority = Authority(tmp_path)
    server = authority.issue("server", ["DNS:localhost", "IP:127.0.0.1"])
    context.load_verify_locations(authority.certificate); context.load_cert_chain(server.certificate, server.key)

No key is ever kept: each run of the tests makes its own.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]  # made in a few milliseconds


def why_no_certificates() -> str | None:
    """Say what is missing to make certificates, or None."""
    return None if shutil.which("openssl") else "the program openssl is missing: it makes the certificates"


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key; `both` is one file with the two, as some servers want it."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """An authority that nobody trusts by default."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self.certificate, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        self._openssl("req", "-x509", *self._new(self._key, name), "-days", "30", *extensions, "-out", self.certificate)

    def issue(
        self, name: str, names: Sequence[str] = HERE, *, days: int = 10, passphrase: str | None = None
    ) -> Identity:
        """Return a certificate for `names` (subjectAltName); one with days below 0 has expired."""
        certificate, key, both = (self._directory / f"{name}.{kind}" for kind in ("pem", "key", "both"))
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        self._openssl("req", *self._new(key, name, passphrase), "-out", request)
        usage = "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        extensions.write_text(usage + (f"subjectAltName={','.join(names)}\n" if names else ""))
        signer = ["-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", str(days)]
        self._openssl("x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", certificate)
        both.write_bytes(key.read_bytes() + certificate.read_bytes())
        both.chmod(0o600)
        return Identity(certificate, key, both)

    @staticmethod
    def _new(key: Path, name: str, passphrase: str | None = None) -> list[str | Path]:
        protection = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
        return [*NEW_KEY, *protection, "-keyout", key, "-subj", f"/O=ftpretrieve tests/CN={name}"]

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
