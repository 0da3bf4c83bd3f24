"""What all commands have in common: flags, exit codes, progress, tables for the terminal."""
