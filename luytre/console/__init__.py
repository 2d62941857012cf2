"""The web: pages for people and an API for programs, in Vietnamese and English."""
