"""``nbfn simulate``: what the executor would do with a trace, played in no time."""

from __future__ import annotations

from pathlib import Path

import click

from nbfn import yamlfile
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option, scale_options


@click.command(context_settings=HELP)
@click.argument("trace", metavar="TRACE")
@click.option("--run", "run_s", default=0.1, show_default=True, metavar="S", help="A call takes, seconds.")
@click.option("--start", "start_s", default=0.02, show_default=True, metavar="S", help="What a start takes.")
@click.option("--memory", "-m", default=128, show_default=True, metavar="MB", help="What an instance holds.")
@click.option("--idle-timeout", default=30, show_default=True, metavar="S", help="What an idle one waits.")
@click.option("--budget", default=1024, show_default=True, metavar="MB", help="What all instances may hold.")
@scale_options
@click.option("--seed", default=0, show_default=True, metavar="N", help="Another one, another poisson.")
@click.option("--calls", is_flag=True, help="Show each call.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw it.")
@output_option
@edge
def simulate(
    edge: Edge,
    /,
    trace: str,
    run_s: float,
    start_s: float,
    memory: int,
    idle_timeout: int,
    budget: int,
    min_instances: int | None,
    max_instances: int | None,
    seed: int,
    calls: bool,
    svg: Path | None,
    output: str | None,
) -> None:
    """Play TRACE through the executor's scheduler: cold starts and why, waits, instances.

    TRACE is poisson:RATE:SECONDS, burst:COUNT[:SECONDS], or a CSV or JSON file of arrivals.
    """
    from nbfn.schedule import simulate as play

    found = play(
        trace,
        memory_mb=budget,
        run_s=run_s,
        start_s=start_s,
        memory=memory,
        idle_timeout=idle_timeout,
        min_instances=min_instances or 0,
        max_instances=max_instances or None,
        seed=seed,
    )
    if svg is not None:
        yamlfile.write_text(svg, found.svg())
    if output:
        edge.show.document(found.document())
        return
    if calls:
        edge.show.say(found.table())
    edge.show.say(str(found))
