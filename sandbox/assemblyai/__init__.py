"""Stand-in for AssemblyAI: its API, with speech really recognised, by PocketSphinx."""
