"""What several tests share: makers of plausible data."""
