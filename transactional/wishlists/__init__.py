"""Wishlists: what an account would like to have, in several lists, private or shared by a link."""
