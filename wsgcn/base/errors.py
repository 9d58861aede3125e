"""The one exception for what a user can get wrong."""


class InputError(ValueError):
    """Bad input: its message is one sentence that names the file or key, what was found and what was expected.

    Stages and the command line print the sentence and exit with status 1, without a traceback. Our own slips
    are left to `assert` and to Python's exceptions, whose tracebacks are then wanted.
    """
