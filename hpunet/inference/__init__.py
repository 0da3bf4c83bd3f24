"""What a network sees in a user's images: samples, grouped and measured."""
