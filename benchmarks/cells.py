"""Cells that several tables have, as text, from the rows of result files."""


def percent(share, low, high):
    """A share with its interval, in percent."""
    return f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def accuracy(evaluation):
    """Top-1 with its interval."""
    return percent(evaluation["top1"], *evaluation["top1_ci95"])


def spread(median, low, high):
    """A ratio with its percentiles."""
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def speed(row, key="speedup"):
    """The relative speed of a timed row with its 10th and 90th percentile: `speedup` in the results of vitrim bench, `ratio` in those of peers/run.py."""
    return spread(row[key], row[key + "_p10"], row[key + "_p90"])


def short_name(model):
    """DeiT-B for deit_base_patch16_224 or base."""
    return "DeiT-" + {"tiny": "Ti", "small": "S", "base": "B"}[model.replace("deit_", "").replace("_patch16_224", "")]
