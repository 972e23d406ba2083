"""What an attacker, a hostile Elevate, or a tool that records errors would try. `docs/security.md` is the list."""
