"""Stand-in for AssemblyAI: its API, with real speech recognition."""
