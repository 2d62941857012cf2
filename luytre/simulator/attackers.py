"""The addresses of the attacks, and what the indicator lists say about them."""

from __future__ import annotations

WEB_INTRUDER = "203.0.113.45"
COMMAND_SERVER = "203.0.113.66"
RECORDER_INTRUDER = "203.0.113.81"
RECORDER_MASTER = "203.0.113.120"
BAD_HOST = "203.0.113.150"
PLATFORM_INTRUDER = "203.0.113.31"
SCRIPT_HOST = "203.0.113.37"
FORGER = "203.0.113.52"
DROP = "203.0.113.90"
EXTORTIONIST = "203.0.113.170"
PROBER = "203.0.113.182"
SPOOFER = "203.0.113.194"
MAIL_THIEF = "203.0.113.201"

LISTED = (
    (COMMAND_SERVER, "ipv4-addr", "Máy chủ điều khiển HoaDao", "90"),
    (BAD_HOST, "ipv4-addr", "Địa chỉ dò mật khẩu SSH", "80"),
    (MAIL_THIEF, "ipv4-addr", "Địa chỉ chiếm hộp thư", "75"),
    ("198.51.100.200", "ipv4-addr", "Địa chỉ dò quét web", "60"),
    ("cdn-update.example", "domain-name", "Tên miền phát tán HoaDao", "85"),
)
"""value, type, name, confidence. 198.51.100.200 is an everyday scanner: no false alarm yet."""
