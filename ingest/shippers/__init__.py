"""What brings logs in: files, event logs and listeners, as messages for the log."""
