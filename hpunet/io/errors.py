"""The mistakes of a user, which end in one line instead of a traceback."""


class UserError(ValueError):
    """Something a user gave is wrong: a file, a value, a setting.

    The message is a single line that names what is wrong and what is allowed. Commands print it on
    stderr and exit with code 2; in Python it is an ordinary `ValueError`.
    """
