"""Tables that the warehouse builds from the trips it holds: one declaration and one query each."""
