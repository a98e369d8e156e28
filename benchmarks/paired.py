"""Functions that the tables share: result files by row and seed, and paired comparison of two models on the same images, from the strings of 0 and
1 in their result files."""

import functools
import math
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rows import documents  # noqa: E402


@functools.lru_cache(maxsize=None)
def _documents(folder):
    return documents(folder)


def read_row(folder, name):
    """The result NAME; None if it does not exist yet."""
    return _documents(folder).get(name)


def row_names(folder, start=""):
    """Names of all results with this prefix, in order."""
    return [name for name in sorted(_documents(folder)) if name.startswith(start)]


def read_rows(folder):
    """{(row, seed): result} of the results ROW.seedSEED."""
    results = {}
    for name, result in _documents(folder).items():
        row, dot, seed = name.rpartition(".seed")
        if dot:
            results[row, int(seed)] = result
    return results


def mcnemar(a, b):
    """Exact, two-sided."""
    lost, won = sum(x == "1" and y == "0" for x, y in zip(a, b)), sum(x == "0" and y == "1" for x, y in zip(a, b))
    n, k = lost + won, min(lost, won)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n) if n else 1.0


def interval(d):
    """The result of paired() as text."""
    return f"{d[0]:+.1f} ({d[1]:+.1f} to {d[2]:+.1f})"


def stored_interval(pair):
    """The paired difference of a result file, which holds fractions, as text in points."""
    return interval([100 * value for value in (pair["difference"], *pair["ci95"])])


def paired(a, b):
    """Difference b - a in points with its bootstrap interval over images."""
    return paired_mean([(a, b)])


def paired_mean(pairs):
    """Mean over pairs (a, b) of models, such as those of several seeds, of the difference b - a in points, with its bootstrap interval over images. The
    images of all pairs are the same, so an image is drawn with its results in every pair."""
    d = [sum(int(y[i]) - int(x[i]) for x, y in pairs) for i in range(len(pairs[0][0]))]
    draw = random.Random(0)
    n, values = len(d), range(-len(pairs), len(pairs) + 1)
    counts = [d.count(v) for v in values]
    means = []
    for _ in range(2000):  # the resampled sum depends only on how often each value is drawn
        s = sum(draw.choices(values, counts, k=n))
        means.append(100 * s / n / len(pairs))
    means.sort()
    return 100 * sum(d) / n / len(pairs), means[50], means[1949]
