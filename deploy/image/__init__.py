"""The programs of the image, each a script of its own on the standard library."""
