"""What every Google client needs."""
