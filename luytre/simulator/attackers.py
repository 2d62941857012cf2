"""The addresses of the five attacks, and what the indicator lists say about them."""

from __future__ import annotations

WEB_INTRUDER = "203.0.113.45"
COMMAND_SERVER = "203.0.113.66"
RECORDER_INTRUDER = "203.0.113.81"
RECORDER_MASTER = "203.0.113.120"
BAD_HOST = "203.0.113.150"

LISTED = (
    (COMMAND_SERVER, "ipv4-addr", "Máy chủ điều khiển HoaDao", "90"),
    (BAD_HOST, "ipv4-addr", "Địa chỉ dò mật khẩu SSH", "80"),
    ("198.51.100.200", "ipv4-addr", "Địa chỉ dò quét web", "60"),
    ("cdn-update.example", "domain-name", "Tên miền phát tán HoaDao", "85"),
)
"""value, type, name, confidence. The third is a scanner of everyday noise: no false alarm yet."""
