"""How an NVIDIA GPU does what a backend is asked for. Everything that touches CuPy is in `device` and `matrix`."""
