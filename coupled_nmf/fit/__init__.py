"""How a fit goes: the session on a backend, the parameters, the start, the one loop, and F at its end."""
