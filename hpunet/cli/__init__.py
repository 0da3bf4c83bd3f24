"""Shared parts of all commands: flags, exit codes and tables for the terminal."""
