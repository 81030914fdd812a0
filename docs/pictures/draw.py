#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The pictures of docs/pictures/draw: DIR/dashboard.png, a panel of the dashboard each with the
# answers of a Prometheus to its queries, and DIR/stats-watch.png, the terminal in DIR/terminal.txt.
#
#   draw.py DIR URL DASHBOARD FROM TO

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request

COLUMNS = 2
# What a panel's unit is called, what a value is to be multiplied by, and how gnuplot writes it.
UNITS = {"pps": ("packets/s", 1, "%.1s%c"), "bps": ("bit/s", 1, "%.1s%c"),
         "percentunit": ("%", 100, "%.0f"), "short": ("pages", 1, "%.0f")}

directory, url, dashboard, start, end = sys.argv[1:]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def ask(expression):
    """[(labels, [(time, value)])] of the whole time, each second."""
    expression = expression.replace("$vm", ".*").replace("$__rate_interval", "5s")
    parameters = urllib.parse.urlencode({"query": expression, "start": start, "end": end,
                                         "step": 1})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{parameters}") as answer:
        result = json.load(answer)["data"]["result"]
    return [(r["metric"], [(t - int(start), float(v)) for t, v in r["values"]]) for r in result]


def series(panel):
    """[(legend, {time: value})]"""
    found = []
    for target in panel["targets"]:
        for labels, values in ask(target["expr"]):
            legend = re.sub(r"{{(\w+)}}", lambda m: labels[m.group(1)], target["legendFormat"])
            found.append((legend, dict(values)))
    return found


def stacked(found):
    """Each on top of those before it; the last one, which lies behind, first."""
    total, layers = {}, []
    for legend, values in found:
        total = {t: total.get(t, 0) + v for t, v in values.items()}
        layers.append((legend, total))
    return layers[::-1]


def gnuplot(name, width, height, text):
    head = (f"set terminal pngcairo size {width},{height} font 'DejaVu Sans,8'\n"
            f"set output {quoted(os.path.join(directory, name))}\n")
    subprocess.run(["gnuplot"], input=head + text, text=True, check=True)


def draw_panel(number, panel):
    defaults = panel["fieldConfig"]["defaults"]
    stack = defaults["custom"]["stacking"]["mode"] != "none"
    unit, factor, form = UNITS[defaults["unit"]]
    found = series(panel)
    curves = []
    for i, (legend, values) in enumerate(stacked(found) if stack else found):
        path = os.path.join(directory, f"curve{number}-{i}.txt")
        # A second without a value is a gap.
        with open(path, "w") as out:
            for t in range(int(end) - int(start) + 1):
                out.write(f"{t} {values.get(t, 'NaN')}\n")
        style = "filledcurves x1" if stack else "lines lw 1.5"
        curves.append(f"{quoted(path)} using 1:($2*{factor}) with {style} title {quoted(legend)}")
    most = factor * defaults["max"] if defaults.get("max") else "*"
    title = quoted(f"{panel['title']} [{unit}]")
    if not curves:
        sys.exit(f"{title}: nothing to draw")
    return (f"set title {title}\nset yrange [0:{most}]\nset format y {quoted(form)}\n"
            f"plot {', '.join(curves)}\n")


def draw_dashboard():
    with open(dashboard) as file:
        panels = json.load(file)["panels"]
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    text = (f"set multiplot layout {rows},{COLUMNS}\nset grid lc rgb '#dddddd'\n"
            "set key outside below noenhanced maxrows 3\n"
            f"set title noenhanced\nset xrange [0:{int(end) - int(start)}]\nset xlabel 'seconds'\n"
            "set style fill solid 0.7 noborder\n")
    text += "".join(draw_panel(i, panel) for i, panel in enumerate(panels))
    gnuplot("dashboard.png", 1000, 260 * rows, text + "unset multiplot\n")


def draw_terminal():
    with open(os.path.join(directory, "terminal.txt")) as file:
        lines = file.read().rstrip("\n").split("\n")
    text = ("unset border\nunset tics\nunset key\nset margins 0,0,0,0\n"
            f"set xrange [0:100]\nset yrange [{len(lines) + 0.5}:-0.5]\n"
            "set object 1 rectangle from graph 0,0 to graph 1,1 fc rgb '#1e1e1e' fs noborder "
            "behind\n")
    for number, line in enumerate(lines):
        text += (f"set label {quoted(line)} at 1,{number + 0.5} noenhanced front "
                 "tc rgb '#e0e0e0' font 'DejaVu Sans Mono,9'\n")
    gnuplot("stats-watch.png", 760, 16 * (len(lines) + 1), text + "plot NaN\n")


draw_dashboard()
draw_terminal()
