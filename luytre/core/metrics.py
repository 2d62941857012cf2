"""Every metric there is, with its sentence: a typed list."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS_SHIPPED = Counter(
    "luytre_events_shipped_total", "Events that the log has taken durably", ["hint"]
)
BYTES_SHIPPED = Counter(
    "luytre_bytes_shipped_total", "Bytes of those events before compression", ["hint"]
)
EVENTS_READ = Counter("luytre_events_total", "Events decoded", ["part"])
REJECTS = Counter("luytre_rejects_total", "Inputs that could not be decoded", ["hint"])
RESENT = Counter("luytre_events_resent_total", "Events dropped because a shipper sent them again")
ALERTS = Counter("luytre_alerts_total", "Alerts sent to the log", ["level"])
HIDDEN = Counter("luytre_hidden_matches_total", "Matches that a filter hid", ["filter"])
UNCORRELATED = Counter(
    "luytre_matches_uncorrelated_total",
    "Matches that came too late or for unknown rules, and groups that were folded or forgotten",
    ["reason"],
)
ALERTS_STORED = Counter("luytre_alerts_stored_total", "Alerts new to the store")
ALERTS_UNREADABLE = Counter(
    "luytre_alerts_unreadable_total", "Alerts in the log that are damaged or of a newer version"
)
ALERTS_REFUSED = Counter(
    "luytre_alerts_refused_total", "Alerts that the store will never take: `luytre alerts refused`"
)
ALERTS_EXPIRED = Counter(
    "luytre_alerts_expired_total", "Alerts of a month that retention has deleted: not kept again"
)
ALERTS_REPEATED = Counter(
    "luytre_alerts_repeated_total", "Documents sent to the store again, as it was not sure or busy"
)
BLOCKED = Gauge("luytre_blocked", "1 while a loop waits for a store that takes nothing", ["loop"])
ARCHIVED = Counter("luytre_events_archived_total", "Events appended to the archive")
LAG = Gauge(
    "luytre_lag_messages",
    "Messages that a group has not committed yet; of correlate, not read yet",
    ["group"],
)
EVENT_AGE_S = Gauge(
    "luytre_event_age_seconds", "Receipt minus event time of the newest event", ["part"]
)
RULES = Gauge("luytre_rules", "Rules by state", ["state"])
RULES_VERSION = Gauge(
    "luytre_rules_version_info", "1 for the version of the rules that runs", ["version"]
)
RULES_SINCE_S = Gauge(
    "luytre_rules_since_seconds", "When the rules that run were taken over, in Unix time"
)
RULES_REFUSED = Gauge(
    "luytre_rules_refused", "1 while changed rules cannot run and the last good ones go on"
)
RELOADS = Counter("luytre_rules_reloads_total", "Changes of the rules, by outcome", ["outcome"])
FILES_UNREADABLE = Gauge(
    "luytre_files_unreadable", "Files that the shipper is to follow and cannot read"
)
DATAGRAMS_DROPPED = Counter(
    "luytre_datagrams_dropped_total", "Syslog datagrams dropped, as the log was slow"
)
WELL = Gauge("luytre_well", "1 while this process is well, as /healthz says")
POLL_S = Histogram("luytre_poll_seconds", "Time that one poll's events took in a loop", ["loop"])

ALL = (
    EVENTS_SHIPPED, BYTES_SHIPPED, EVENTS_READ, REJECTS, RESENT, ALERTS, HIDDEN, UNCORRELATED,
    ALERTS_STORED, ALERTS_UNREADABLE, ALERTS_REFUSED, ALERTS_EXPIRED,
    ALERTS_REPEATED, BLOCKED, ARCHIVED,
    LAG, EVENT_AGE_S, RULES, RULES_VERSION, RULES_SINCE_S, RULES_REFUSED, RELOADS,
    FILES_UNREADABLE, DATAGRAMS_DROPPED, WELL, POLL_S,
)  # fmt: skip
"""What the documentation lists and tests enumerate."""
