"""Stand-ins for Twilio's phone network and for AssemblyAI. Each one is a process.

The stand-ins and the product do not import each other. They communicate only over HTTP,
so what works here also works with the URLs of the real vendors.
"""
