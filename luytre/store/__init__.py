"""Where alerts and events are kept."""
