"""How fast the pipeline is, against the server's floor and what a user would pick instead."""
