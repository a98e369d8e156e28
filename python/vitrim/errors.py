"""The exceptions of vitrim. As usual in Python, bad arguments raise ValueError and Ctrl-C raises KeyboardInterrupt."""


class Error(OSError):
    """A failure of a file, of the data or of the machine. The message is one sentence that names the place and the remedy."""


class FormatError(Error, ValueError):
    """A file whose content does not follow its format."""
