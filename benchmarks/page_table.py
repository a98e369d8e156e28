"""Tables that scripts write into a page of docs, between two marker comments."""


def write_between(page, begin, end, text):
    """Replaces what stands between the lines `begin` and `end` of the file `page`. ValueError where a marker is missing."""
    with open(page, encoding="utf-8") as file:
        before, _, rest = file.read().partition(begin)
    _, marker, after = rest.partition(end)
    if not marker:
        raise ValueError(f"{page} has no {begin} followed by {end}")
    with open(page, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")
