"""The programs of the image, each an independent script on the standard library."""
