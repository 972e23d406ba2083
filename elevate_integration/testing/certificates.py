"""A throw-away certificate authority for `tls=True`. Needs trustme."""

from __future__ import annotations

import shutil
import ssl
import tempfile
import weakref
from pathlib import Path


class Certificate:
    """A server certificate for this machine, and `ca_path`, the PEM that a client verifies it with."""

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            raise RuntimeError("TLS needs a certificate from trustme: pip install trustme.") from error
        authority = trustme.CA()
        self._issued = authority.issue_cert("127.0.0.1", "localhost")
        folder = tempfile.mkdtemp(prefix="fake-elevate-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.ca_path = str(Path(folder, "ca.pem"))
        authority.cert_pem.write_to_path(self.ca_path)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._issued.configure_cert(context)
        return context
