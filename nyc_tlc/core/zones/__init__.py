"""Taxi zones: names, polygons, and which zone a point is in."""
