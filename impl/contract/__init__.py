"""What the programs of the endpoint contract share, of any transport: setting, event lines, payload, tasks."""
