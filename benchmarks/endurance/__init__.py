"""Endurance tests of the service: a real process, over real HTTP."""
