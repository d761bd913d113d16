"""One function per step; each does one partition and knows only core and ports."""
