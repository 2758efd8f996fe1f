"""kvplan place: where does it live?"""

from __future__ import annotations

from typing import Any

import typer

from kvplan.cli import options


@options.takes(
    {
        "workload": options.Workload,
        **options.ROOM,
        "count": options.Count,
        "replicas": options.Replicas,
        "topology": options.Topology,
        "accounting": options.Accounting,
        **options.WORKLOAD,
        "output": options.PlanOutput,
        "regions": options.Regions,
    }
)
def place(values: dict[str, Any]) -> None:
    """Where a workload lives on its fleet: replicas in seats, regions in instances.

    Exit code 1 if something is left over, 3 if it depends.

    \b
    kvplan place workloads/rack-70b.yaml
    kvplan place workloads/rack-70b.yaml -o plan.json --format json
    """
    from kvplan.answers.flags import PlaceFlags
    from kvplan.answers.place import answer
    from kvplan.cli import failures, output, pairs, plan_output
    from kvplan.report.sheets.place import place_sheet

    formats = [path for _, path in output.targets(values["format_"])]
    plan_output.check([values["output"], values["regions"], *formats], values["workload"])
    result = answer(values["workload"], pairs.flags(values, PlaceFlags), "cli")
    plan_output.write(result.plan, values["output"], values["regions"])
    output.write(result, lambda: place_sheet(result), values["format_"])
    raise typer.Exit(failures.VERDICT_CODES[result.verdict])
