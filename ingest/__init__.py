"""Bytes in, batches out: shippers, the embedded log, decoders, log sources."""
