"""How far the clocks of the nodes are from this machine's. Nothing rests on clocks; but logs and histories are read by them."""

from dataclasses import dataclass, field

# Below this a person who compares logs is not misled.
LEAST_SECONDS = 60.0


@dataclass(eq=False)
class Clocks:
    """What the answers of nodes say about their clocks."""

    # Of each node: what its offset lies between, in seconds.
    _bounds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def seen(self, node: str, sent: float, began: float, ended: float, received: float) -> None:
        """A task was `sent` and its answer `received` by this machine's clock, `began` and `ended` by the node's; all in seconds."""
        low, high = self._bounds.get(node, (float("-inf"), float("inf")))
        self._bounds[node] = max(low, ended - received), min(high, began - sent)

    def remarks(self) -> list[str]:
        """A sentence for each node whose clock is wrong, or this machine's, for certain."""
        wrong = [
            (node, low if low > 0 else high)
            for node, (low, high) in sorted(self._bounds.items())
            if low > LEAST_SECONDS or high < -LEAST_SECONDS
        ]
        return [
            f"the clock of node {node} is {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} this machine's: let both follow "
            "a time server (NTP, such as chrony), or times in logs and histories contradict each other; no result depends on them"
            for node, seconds in wrong
        ]
