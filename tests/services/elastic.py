"""The real Elasticsearch: nodes from Maven's jars, each in a folder of its own."""

import fcntl
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.services.java import MissingError, jars, jdk
from tests.services.process import Server, free_ports

VERSION = "9.5.3"
ARTIFACTS = (
    f"org.elasticsearch:elasticsearch:{VERSION}",
    f"org.elasticsearch.plugin:transport-netty4:{VERSION}",
)
JAVA_MIN = 21
LAUNCHER = Path(__file__).with_name("Node.java")
_PLUGIN = "META-INF/es-plugins/transport-netty4/"


class ElasticNode(Server):
    """``url`` is where clients begin; ``settings`` are added to the node's own."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, heap: str = "512m"
    ) -> None:
        java, home = jdk(JAVA_MIN), laid_out()
        self.port, transport = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = {**_settings(folder, self.port, transport), **(settings or {})}
        command = [str(java / "bin" / "java"), f"-Xms{heap}", f"-Xmx{heap}", *_options(home)]
        command += ["Node", str(home), *(f"{name}={value}" for name, value in rows.items())]
        super().__init__("elasticsearch", command, folder, ready=self.answers)

    def answers(self) -> bool:
        """Tell whether every shard takes writes."""
        try:
            health = httpx.get(f"{self.url}/_cluster/health", timeout=5)
        except httpx.TransportError:
            return False
        if health.status_code != httpx.codes.OK:
            return False
        found = health.json()
        return found["status"] != "red" and not found["initializing_shards"]


def forget(url: str, name: str) -> None:
    """Delete every index and template whose name begins with ``name``."""
    with httpx.Client(base_url=url, timeout=60) as client:
        found = client.get(f"/{name}-*/_settings", params={"expand_wildcards": "all"}).json()
        for index in found:
            client.delete(f"/{index}").raise_for_status()
        client.delete(f"/_index_template/{name}")
        client.delete(f"/_component_template/{name}@mappings")


def laid_out() -> Path:
    """Return a home folder for nodes, made once beside the jars; raises ``MissingError``."""
    lib = jars(*ARTIFACTS)
    home = lib.with_name(f"{lib.name}-home")
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            making = home.with_name(f"{home.name}-making")
            shutil.rmtree(making, ignore_errors=True)
            _lay_out(making, lib)
            making.rename(home)
    return home


def _lay_out(home: Path, jars_folder: Path) -> None:
    lib, module = home / "lib", home / "modules" / "transport-netty4"
    for folder in (lib, module, home / "config", home / "plugins", home / "launcher"):
        folder.mkdir(parents=True)
    for jar in jars_folder.glob("*.jar"):
        netty = jar.name.startswith(("netty-", "transport-netty4-"))
        (module if netty else lib).joinpath(jar.name).hardlink_to(jar)
    with zipfile.ZipFile(module / f"transport-netty4-{VERSION}.jar") as plugin:
        for name in ("plugin-descriptor.properties", "entitlement-policy.yaml"):
            (module / name).write_bytes(plugin.read(_PLUGIN + name))
    javac = jdk(JAVA_MIN) / "bin" / "javac"
    if not javac.exists():
        raise MissingError(f"{javac} is missing: a JDK is needed, not only a JRE")
    command = [str(javac), "-cp", f"{lib}/*", "-d", str(home / "launcher"), str(LAUNCHER)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _settings(folder: Path, port: int, transport: int) -> dict[str, str]:
    return {
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "cluster.name": "luytre-tests",
        "node.name": "node-1",
        "discovery.type": "single-node",
        "http.port": str(port),
        "transport.port": str(transport),
        "network.host": "127.0.0.1",
        "transport.type": "netty4",
        "http.type": "netty4",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }


def _options(home: Path) -> list[str]:
    # On the class path alone it fails: the server must be a named module.
    return [
        "-XX:+UseSerialGC",
        *("--module-path", str(home / "lib"), "--add-modules", "ALL-MODULE-PATH"),
        "--add-exports=org.elasticsearch.server/org.elasticsearch.node=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED,org.elasticsearch.nativeaccess,org.elasticsearch.foreign",
        *(f"-Des.nativelibs.path={home / 'launcher'}", "-Des.distribution.type=tar"),
        *("-cp", str(home / "launcher")),
    ]
