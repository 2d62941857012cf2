"""What a pack of evidence says of itself to whoever opens it."""

from __future__ import annotations

READ_ME = """\
This file is the evidence of one incident, from a Luytre installation. Check it on any machine,
without network and without that installation:

    luytre-verify THIS-FILE --anchor ANCHOR        was anything changed since it was packed?
    luytre incidents recompute THIS-FILE           do the rules, on the raw bytes, alert again?

Tệp này là chứng cứ của một sự cố, từ một hệ thống Luytre. Có thể kiểm tra trên máy bất kỳ, không
cần mạng và không cần hệ thống đó:

    luytre-verify TỆP-NÀY --anchor ĐIỂM-NEO --language vi        có gì bị sửa sau khi đóng gói?
    luytre incidents recompute TỆP-NÀY                           luật có cảnh báo lại không?

pack.json               every file of evidence with its SHA-256, and what could not be had
incident.json           the incident as it was: alerts with reasons, comments, tasks, clocks
alerts/ID.json          each alert, every revision, as it was stored; "versions" has the digests of
                        the rules and of the tables that enriched it, "events" the events of a
                        correlation
raw/EVENT               the bytes of each event as they came
events.ndjson           what the shipper said of each event (origin and position make its id), and
                        whether the bytes are those of the archive or the alert's own copy
content/SHA256.yml      the rules, filters and mappings by which it was judged
content.json            which of them ran together
custody/entries.ndjson  the history's entries about the incident, each with its proof (RFC 6962);
                        the last says who packed this, and has the digest of pack.json
custody/checkpoint      the signed checkpoint that the proofs lead to (c2sp.org/tlog-checkpoint)
custody/key.txt         the key that signs; the one you trust is the one you have from elsewhere
"""
