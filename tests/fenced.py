"""The fenced blocks of a Markdown page."""


def blocks(text):
    """[(line number, info string, block)] of the fenced blocks."""
    found, start = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if start is None:
                start, info, body = number, line[3:].strip(), []
            else:
                found.append((start, info, "\n".join(body)))
                start = None
        elif start is not None:
            body.append(line)
    return found
