"""What is said of clocks that are wrong, and that a task which only waited says nothing."""

from synapse_assets.cluster.clocks import Clocks


def test_a_clock_is_called_wrong_only_where_no_delay_explains_it() -> None:
    clocks = Clocks()
    # Sent at 0, and received at 400 after it had waited: the node's clock may be right.
    clocks.seen("waited (10.0.0.2)", sent=0, began=300, ended=390, received=400)
    clocks.seen("ahead (10.0.0.3)", sent=0, began=130, ended=140, received=20)
    clocks.seen("behind (10.0.0.4)", sent=1000, began=800, ended=900, received=1110)
    ahead, behind = clocks.remarks()
    assert ahead.startswith(
        "the clock of node ahead (10.0.0.3) is 120 s ahead of this machine's: let both follow a time server (NTP"
    )
    assert behind.startswith("the clock of node behind (10.0.0.4) is 200 s behind this machine's")
