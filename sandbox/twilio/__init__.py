"""Stand-in for Twilio: its REST API, and a phone network that runs TwiML."""
