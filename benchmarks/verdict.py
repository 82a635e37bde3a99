"""A figure and its target."""


def print_verdict(
    name: str, figure: float, *, at_least: float | None = None, at_most: float | None = None
) -> bool:
    """Print a figure with its target; return whether it is met."""
    if at_least is not None:
        is_met, target = figure >= at_least, f"at least {at_least:g}"
    elif at_most is not None:
        is_met, target = figure <= at_most, f"at most {at_most:g}"
    else:
        message = "at_least or at_most is needed"
        raise TypeError(message)
    verdict = "met" if is_met else "MISSED"
    print(f"  {name:<26}{figure:10.2f}  target {target}: {verdict}", flush=True)
    return is_met
