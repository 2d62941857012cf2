"""Where everything durable lies below the data folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of one installation. Nothing but a cache lies elsewhere."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def shipper(self) -> Path:
        return self.root / "shipper"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def alerts(self) -> Path:
        return self.root / "alerts.sqlite"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def rules(self) -> Path:
        """Installed rule sets."""
        return self.root / "rules"

    @property
    def playbooks(self) -> Path:
        """Imported playbooks."""
        return self.root / "playbooks"

    @property
    def bundles(self) -> Path:
        """Bundles of rules from the topic ``config``, unpacked, by digest."""
        return self.root / "bundles"

    @property
    def kept(self) -> Path:
        """Every version of rules, filters and mappings that ran."""
        return self.root / "content.sqlite"

    @property
    def review(self) -> Path:
        """Backtests, and content that went through review."""
        return self.root / "review"

    @property
    def plans(self) -> Path:
        """Compiled rules: a cache, safe to delete."""
        return self.root / "cache" / "plans"

    @property
    def correlated(self) -> Path:
        """How far matches were correlated and their alerts sent."""
        return self.root / "correlated.sqlite"

    @property
    def supervisor(self) -> Path:
        """What the supervisor says of its children."""
        return self.root / "supervisor.json"

    @property
    def workers(self) -> Path:
        """What each process says of the rules that it runs."""
        return self.root / "workers"

    @property
    def enrichment(self) -> Path:
        """What enrichment remembers, per worker: two workers must not share first-seen state."""
        return self.root / "enrichment"

    @property
    def cases(self) -> Path:
        """What people decided, and the history of it."""
        return self.root / "cases.sqlite"

    @property
    def sessions(self) -> Path:
        """Who is logged in now: nothing is lost with it but that people log in again."""
        return self.root / "sessions.sqlite"

    @property
    def signer(self) -> Path:
        """The audit signer's key and last state; elsewhere, if it has a user of its own."""
        return self.root / "signer"

    @property
    def signer_socket(self) -> Path:
        return self.root / "signer.sock"
