"""Settings of the process that make a command start and run faster."""
