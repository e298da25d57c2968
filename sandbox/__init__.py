"""Stand-ins for Twilio's phone network and for AssemblyAI, each a process of its own.

They import nothing of the product and the product imports nothing of them: the two meet
over HTTP only, so what works here works against the vendors' addresses too.
"""
