"""The curves of the timeline as SVG."""

# Told apart by lightness and stroke too, not by colour alone.
STYLES = {
    "glibc": {"color": "#888888", "linewidth": 1.0},
    "tuned glibc": {"color": "#d55e00", "linewidth": 1.2, "linestyle": "--"},
    "tuned jemalloc": {"color": "#0072b2", "linewidth": 1.2, "linestyle": "-."},
    "libzkalloc": {"color": "#111111", "linewidth": 1.8},
}


def draw(series: dict, path: str):
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and equal curves give equal files.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "libzkalloc", "font.size": 9})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.6))
    for name, points in series.items():
        axes.plot(*zip(*points), label=name, **STYLES[name])
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("resident memory, MiB")
    axes.set_xlim(0, max(points[-1][0] for points in series.values()))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=len(series), frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
