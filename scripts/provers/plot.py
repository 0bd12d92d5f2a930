"""Warm CPU time of every allocator on every prover, and CPU against memory, as SVG."""

from figures import means, ratios

# Told apart by form too, not by colour alone.
STYLES = {
    "ours": {"color": "#111111", "marker": "D", "s": 34, "zorder": 3},
    "peer": {"color": "#0072b2", "marker": "o", "s": 18, "alpha": 0.75},
    "ancestor": {"color": "#d55e00", "marker": "^", "s": 26},
}
LEGEND = {"ours": "libzkalloc", "peer": "glibc and the peers", "ancestor": "the ancestor's design"}


def draw(report: dict, sides: dict, path: str):
    """`sides`: allocator to peer, ours or ancestor."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and equal figures give equal files.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "libzkalloc", "font.size": 8})
    from matplotlib import pyplot

    provers = list(report["figures"])
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 1.8 + 0.5 * max(len(provers), 6)))
    for row, prover in enumerate(provers):
        for name, compared in ratios(report["figures"][prover], report["peers"]).items():
            value = compared["warm_cpu_ms"]["to_glibc"]
            if value is not None:
                left.scatter(value, row, **STYLES[sides[name]])
    left.set_yticks(range(len(provers)), provers)
    left.invert_yaxis()
    left.set_xlabel("CPU of a warm proof, x glibc")
    for name, mean in means(report["figures"], report["peers"]).items():
        point = mean["warm_cpu_ms"]["to_glibc"], mean["peak_rss_mib"]["to_glibc"]
        if None not in point:
            right.scatter(*point, **STYLES[sides[name]])
            right.annotate(name, point, fontsize=6, xytext=(4, 2), textcoords="offset points")
    right.set_xlabel("CPU of a warm proof, x glibc (geometric mean)")
    right.set_ylabel("peak RSS, x glibc (geometric mean)")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for side, title in LEGEND.items():
        left.scatter([], [], label=title, **STYLES[side])
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
