"""Progress of long work: tqdm bars (widgets in a notebook) if tqdm is installed, otherwise plain lines."""

import logging
import sys
from typing import Any, Callable, Dict, Union

_logger = logging.getLogger("vitrim")

Progress = Union[None, bool, Callable[[Dict[str, Any]], None]]


class _Bars:
    def __init__(self, tqdm):
        self.tqdm, self.bars = tqdm, {}

    def update(self, news: Dict[str, Any]) -> None:
        bar = self.bars.get(news["stage"])
        if bar is None:
            bar = self.bars[news["stage"]] = self.tqdm(total=news["total"] or None, desc=news["stage"], unit=" " + news["unit"])
        bar.update(news["done"] - bar.n)
        if news["finished"]:
            self.bars.pop(news["stage"]).close()

    def close(self) -> None:
        for bar in self.bars.values():
            bar.close()


class _Lines:
    """Prints a line every ten seconds, and one at the end of a stage."""

    def __init__(self):
        self.told: Dict[str, float] = {}

    def update(self, news: Dict[str, Any]) -> None:
        stage, seconds = news["stage"], news["seconds"]
        if not news["finished"] and seconds - self.told.get(stage, 0) < 10:
            return
        self.told[stage] = 0 if news["finished"] else seconds
        total = f" of {news['total']}" if news["total"] and not news["finished"] else ""
        print(f"{stage}: {news['done']}{total} {news['unit']} in {seconds:.0f} s", file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class _Calls:
    def __init__(self, function):
        self.update = function

    def close(self) -> None:
        pass


def _shown(progress: Progress):
    if callable(progress):
        return _Calls(progress)
    if progress is False:
        return _Calls(lambda news: None)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines()
    return _Bars(tqdm)


class Notifier:
    """The sink that the library calls. Messages go to the logger `vitrim`: warnings are shown by default, the rest if logging is configured for
    it."""

    def __init__(self, progress: Progress):
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            raise ValueError("progress is True, False or a function of one dict")
        self.view = _shown(progress)

    def __call__(self, kind: str, news: Any) -> None:
        if kind == "progress":
            self.view.update(news)
        else:
            _logger.log(logging.WARNING if kind == "warning" else logging.INFO, "%s", news)

    def __enter__(self) -> "Notifier":
        return self

    def __exit__(self, *_: Any) -> None:
        self.view.close()
