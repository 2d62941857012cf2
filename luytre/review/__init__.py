"""What a change of content would do, who agreed to it, and what it found in the past."""
