"""Debian's OpenLDAP with a few accounts, shaped like Active Directory where it matters."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from luytre.core.config_playbooks import DirectoryConfig

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=tinh,dc=test"
ROOT = f"cn=admin,{BASE}"
PASSWORD = "pa ss\u01b0wort"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.656 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'lockedSince' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP inetOrgPerson STRUCTURAL
  MAY ( userAccountControl $ sAMAccountName $ userPrincipalName $ lockedSince ) )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
security simple_bind=128
database mdb
suffix "{base}"
rootdn "{root}"
rootpw "{password}"
directory {folder}/db
"""
ENTRIES = """dn: {base}
objectClass: dcObject
objectClass: organization
dc: tinh
o: Tinh

"""
ENTRY = """dn: cn={name},{base}
objectClass: user
cn: {name}
sn: {name}
sAMAccountName: {name}
userAccountControl: 512

"""


ACCOUNTS = ("nam", "lan", "svc-sao-luu$", "ha.tt", "admin", "krbtgt")
PROTECTED = ("admin", "krbtgt")
PRINCIPALS = {"ha.tt": "ha@tinh.test", "admin": "chu.tich@tinh.test"}
"""Who has a user principal name that is not the account's name, as Windows allows."""


@dataclass(frozen=True)
class Directory:
    """A running directory."""

    folder: Path
    plain_port: int
    secure_port: int

    def settings(self, *, secure: bool = True, **changed: object) -> DirectoryConfig:
        url = (
            f"ldaps://localhost:{self.secure_port}"
            if secure
            else f"ldap://localhost:{self.plain_port}"
        )
        fields: dict[str, object] = {
            "name": "ad", "url": url, "ca_file": self.folder / "ca.pem", "user": ROOT,
            "password_file": self.folder / "password", "search_in": BASE,
        }  # fmt: skip
        return DirectoryConfig.model_validate({**fields, **changed})

    def attribute(self, account: str, name: str) -> list[str]:
        """Ask OpenLDAP's own tool, which reads the database itself."""
        found = subprocess.run(
            ["/usr/sbin/slapcat", "-f", str(self.folder / "slapd.conf"), "-a", f"(sAMAccountName={account})"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        return [
            line.partition(": ")[2] for line in found.splitlines() if line.startswith(f"{name}: ")
        ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serve(authority: trustme.CA, folder: Path) -> Iterator[Directory]:
    """Run slapd in the foreground until the context ends."""
    (folder / "db").mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "password").write_text(PASSWORD)
    text = CONFIG.format(folder=folder, base=BASE, root=ROOT, password=PASSWORD)
    (folder / "slapd.conf").write_text(text)
    names = [*ACCOUNTS, "twin1", "twin2"]
    entries = ENTRIES + "".join(ENTRY.format(name=name, base=BASE) for name in names)
    for name, principal in PRINCIPALS.items():
        line = f"sAMAccountName: {name}\n"
        entries = entries.replace(line, f"{line}userPrincipalName: {principal}\n")
    entries = entries.replace("sAMAccountName: twin2", "sAMAccountName: twin1")
    add = [shutil.which("slapadd", path="/usr/sbin") or "slapadd", "-f", str(folder / "slapd.conf")]
    subprocess.run(add, input=entries.format(base=BASE), text=True, check=True, capture_output=True)
    found = Directory(folder, _free_port(), _free_port())
    urls = f"ldap://127.0.0.1:{found.plain_port}/ ldaps://127.0.0.1:{found.secure_port}/"
    server = subprocess.Popen(
        [str(SLAPD), "-f", str(folder / "slapd.conf"), "-h", urls, "-d", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", found.secure_port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield found
    finally:
        server.terminate()
        server.wait()
