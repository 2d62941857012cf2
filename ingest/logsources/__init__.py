"""Log sources: one module each, from raw bytes to named fields."""

HINTS: dict[str, str] = {
    "auto": "route",
    "windows": "windows",
    "auditd": "auditd",
    "sshd": "sshd",
    "sudo": "sudo",
    "auth": "programs",
    "syslog": "programs",
    "nginx": "web_access",
    "apache": "web_access",
    "zeek": "zeek",
    "suricata": "suricata",
    "cloudtrail": "cloudtrail",
    "postfix": "postfix",
    "zimbra": "zimbra",
    "cisco": "cisco",
    "egov": "egov",
    "json": "documents",
}
"""What configuration and messages may name, and the module that reads it."""
