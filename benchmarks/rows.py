#!/usr/bin/env python3
"""The results of a study: files NAME.json in its folder, or the same files in rows.tar.xz there, which the repository stores with a summary.

usage: benchmarks/rows.py pack FOLDER...    moves all result files into rows.tar.xz and writes summary.json: headline figures of every row
       benchmarks/rows.py unpack FOLDER...  puts the files back (for `vitrim report`)
"""

import io
import json
import os
import sys
import tarfile

ARCHIVE, SUMMARY = "rows.tar.xz", "summary.json"
FIGURES = ("images", "params", "macs", "top1", "top1_ci95", "top5")


def contents(folder):
    """{file name: bytes} of all results; files in the folder take precedence over those in the archive."""
    found = {}
    archive = os.path.join(folder, ARCHIVE)
    if os.path.exists(archive):
        with tarfile.open(archive, "r:xz") as file:
            found = {member.name: file.extractfile(member).read() for member in file.getmembers()}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith((".json", ".jsonl", ".log")) and name != SUMMARY:
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def documents(folder):
    """{row: result} of the files ROW.json."""
    return {name[:-len(".json")]: json.loads(text) for name, text in sorted(contents(folder).items()) if name.endswith(".json")}


def figures(evaluation):
    """The headline figures of an evaluation, without what is stored per image."""
    out = {key: evaluation[key] for key in FIGURES if key in evaluation}
    segmentation = evaluation.get("segmentation")
    if segmentation:
        out.update({key: segmentation[key] for key in ("miou", "miou_ci95", "pixel_accuracy")})
    return out


def summary(document):
    """The main facts of a result: the command and its figures."""
    manifest = document.get("manifest", {})
    out = {key: document[key] for key in ("kind", "removed", "reason", "held_out_kl", "held_out_agreement") if key in document}
    out.update({key: manifest[key] for key in ("command", "git_commit", "cpu", "seed") if manifest.get(key) not in (None, "")})
    for key in ("dense", "compressed", "evaluation", "built"):
        if isinstance(document.get(key), dict):
            out[key] = figures(document[key])
    if document.get("kind") == "eval":
        out.update(figures(document))
    if document.get("paired"):
        out["paired"] = document["paired"]
    if isinstance(document.get("epochs"), list):
        out["epochs"] = len(document["epochs"])
    return out


def pack(folder):
    files = contents(folder)
    if not files:
        sys.exit(f"{folder}: there are no results in this folder")
    rows = {name: summary(document) for name, document in documents(folder).items()}
    archive = os.path.join(folder, ARCHIVE)
    with tarfile.open(archive + ".tmp", "w:xz", preset=9) as out:
        for name, text in sorted(files.items()):
            member = tarfile.TarInfo(name)  # no times, no owners: the same rows make the same archive
            member.size = len(text)
            out.addfile(member, io.BytesIO(text))
    os.replace(archive + ".tmp", archive)
    with open(os.path.join(folder, SUMMARY), "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()) + "\n}\n")
    for name in files:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            os.unlink(path)
    print(f"{folder}: {len(files)} files, {os.path.getsize(archive)} bytes packed")


def unpack(folder):
    for name, text in contents(folder).items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("pack", "unpack"):
        sys.exit(__doc__)
    for study in sys.argv[2:]:
        (pack if sys.argv[1] == "pack" else unpack)(study)
