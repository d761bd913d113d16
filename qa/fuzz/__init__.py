"""Coverage-guided fuzzing of everything that reads bytes from outside: `make fuzz`.

Each target gives arbitrary bytes to one of the project's readers and states what must hold
afterwards: a value with the properties that the steps rely on, or one of the project's errors.
"""
