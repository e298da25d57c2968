"""Stand-ins (simulated servers) for Twilio and AssemblyAI. Each one is a process.

The stand-ins and the product do not import each other. They communicate only over HTTP.
The product runs the same code as with the real vendors: only the API URLs differ.
"""
