"""Reports on stored runs: a table for the terminal, a page for the browser, a comparison with a baseline."""
