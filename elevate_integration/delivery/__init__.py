"""Delivery: claims due registrations, calls Elevate outside any transaction, settles the answers."""
