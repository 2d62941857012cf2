"""Java and Maven for the real servers: which JDK, and a folder of jars with their dependencies."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = re.compile(r'JAVA_VERSION="(\d+)')
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies>
{dependencies}
  </dependencies>
</project>
"""
DEPENDENCY = (
    "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
    "<version>{}</version></dependency>"
)


class MissingError(Exception):
    """This machine lacks what a server needs; the text is for people."""


def jdk(version_min: int) -> Path:
    """Return the home of the oldest JDK here that is new enough; raises ``MissingError``."""
    homes = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes += sorted(Path("/usr/lib/jvm").glob("*"))
    found = sorted(
        (version, home)
        for home in homes
        if (version := _version(home)) >= version_min and (home / "bin" / "java").exists()
    )
    if not found:
        raise MissingError(f"no JDK {version_min} or newer in JAVA_HOME or /usr/lib/jvm")
    return found[0][1]


def _version(home: Path) -> int:
    release = home / "release"
    found = VERSION.search(release.read_text()) if release.exists() else None
    return int(found[1]) if found else 0


def jars(*artifacts: str) -> Path:
    """Return a folder with the jars of ``group:artifact:version`` and of all they depend on.

    They are downloaded once, into ``LUYTRE_SERVICES_CACHE`` (``~/.cache/luytre-services`` by
    default): outside the repository, and never half. Raises ``MissingError`` if Maven cannot.
    """
    default = Path.home() / ".cache" / "luytre-services"
    cache = Path(os.environ.get("LUYTRE_SERVICES_CACHE", default))
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join(artifacts).encode()).hexdigest()[:12]
    folder = cache / f"{artifacts[0].split(':')[1]}-{digest}"
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _download(artifacts, folder)
    return folder


def _download(artifacts: tuple[str, ...], folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingError(f"Maven is missing, and {folder} does not exist")
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        place = Path(name)
        lines = [DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts]
        (place / "pom.xml").write_text(POM.format(dependencies="\n".join(lines)))
        command = [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={place / 'jars'}"],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            raise MissingError(f"Maven cannot download {' '.join(artifacts)}: {done.stdout[-500:]}")
        (place / "jars").rename(folder)
