"""History that cannot be rewritten unseen: entries, tree, signed checkpoints, anchors."""
