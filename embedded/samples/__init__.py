"""Generated sample months, zones and polygons."""
