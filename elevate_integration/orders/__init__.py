"""The host's side: everything that knows what an order looks like, and nothing of Elevate."""
