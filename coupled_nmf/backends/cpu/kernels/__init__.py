"""Compiled code of the CPU: what is done to a tile."""
