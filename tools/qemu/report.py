"""Renders the judge's result: a table for people, Markdown, or JSON."""

import json
import sys

COLUMNS = ("lanes", "int_macs", "bytes_loaded", "bytes_stored")
HEADINGS = ("fp32 lanes", "int MACs", "loaded B", "stored B")


def cell(row, name):
    found = next((q for q in row["quantities"] if q["quantity"] == name), None)
    if found is None or found["verdict"] == "unclaimed":
        return "-"
    if found["verdict"] == "unjudged":
        return f"{found['claimed']} | n/a"
    return f"{found['claimed']} | {found['judged']}" + (" !" if found["verdict"] == "differs" else "")


def remarks(row):
    """Lines under a row: quantities without a column, and for a difference where it may come from."""
    for q in row["quantities"]:
        if q["quantity"] not in COLUMNS:
            yield f"{q['quantity']}: {q['claimed']} | {q['judged']}" + (" !" if q["verdict"] == "differs" else "")
    yield from row["notes"]
    for name, counts in row.get("functions", {}).items():
        counted = {kind: n for kind, n in counts.items() if kind != "instructions"}
        if counted:
            yield f"in {name}: " + ", ".join(f"{n} {kind}" for kind, n in sorted(counted.items()))
    for b in row.get("buffers", []):
        yield f"buffer {b['name']}: loaded {b['loaded']}, stored {b['stored']}"


def summary(result):
    """What was compared, in how many sections, and what could not be."""
    rows = result["sections"]
    differing = sum(not row["equal"] for row in rows)
    yield (f"{len(rows)} sections: {len(rows) - differing} equal, {differing} differ; claimed | judged by "
           f"{result['producer']} on {result['target']}")
    for name, heading in zip(COLUMNS, HEADINGS):
        verdicts = [q["verdict"] for row in rows for q in row["quantities"] if q["quantity"] == name]
        judged = sum(v in ("equal", "differs") for v in verdicts)
        text = f"  {heading}: judged in {judged}"
        if verdicts.count("unjudged"):
            text += f", claimed but not judged in {verdicts.count('unjudged')}"
        yield text
    outside = [row["outside_buffers"] for row in rows if row["outside_buffers"]]
    if outside:
        yield (f"  outside_buffers: loaded {sum(o['loaded'] for o in outside)} B, stored "
               f"{sum(o['stored'] for o in outside)} B")
    if result["threads"] > 1:
        yield f"  warning: the program ran {result['threads']} threads; only single-threaded runs are judged reliably"


def table(rows, markdown):
    header = ("section", "name", "isa", *HEADINGS, "outside l/s")
    body = []
    for row in rows:
        outside = row["outside_buffers"]
        body.append((str(row["section"]), row["name"], row["isa"], *(cell(row, name) for name in COLUMNS),
                     f"{outside['loaded']}/{outside['stored']}" if outside else "-"))
    if markdown:
        yield "| " + " | ".join(header) + " |"
        yield "|" + " --- |" * len(header)
        for line in body:
            yield "| " + " | ".join(value.replace("|", "\\|") for value in line) + " |"
        for row in rows:
            yield from (f"* section {row['section']}: {text}" for text in remarks(row))
        return
    widths = [max(len(line[i]) for line in (header, *body)) for i in range(len(header))]
    for row, line in zip((None, *rows), (header, *body)):
        yield "  ".join(value.ljust(width) for value, width in zip(line, widths)).rstrip()
        if row:
            yield from (f"    {text}" for text in remarks(row))


def write(result, style, every_row):
    """Prints `result` to stdout; the table and Markdown forms hold the differing sections only unless `every_row`."""
    if style == "json":
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    rows = [row for row in result["sections"] if every_row or not row["equal"]]
    if rows:
        for line in table(rows, style == "md"):
            print(line)
        print()
    for line in summary(result):
        print(line)
