"""Who may use the console: users, their passwords, sessions, and API keys."""
