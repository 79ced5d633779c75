"""Daypass: cloud access for minutes or hours through a pull request."""
