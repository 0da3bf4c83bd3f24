"""What makes a command start and run faster."""
