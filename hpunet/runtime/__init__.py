"""Process settings that make commands start and run faster."""
