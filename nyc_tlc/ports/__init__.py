"""What the steps need from the outside world, as Protocols."""
