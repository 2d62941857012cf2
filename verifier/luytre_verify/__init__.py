"""Verifies an exported history of Luytre: entries, tree, signatures, anchors. Offline."""
