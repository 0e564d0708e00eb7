"""What those who bought a product think of it, and the ratings that follow."""
