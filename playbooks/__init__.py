"""Response playbooks in YAML."""
