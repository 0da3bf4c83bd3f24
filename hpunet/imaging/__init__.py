"""Users' images in and out."""
