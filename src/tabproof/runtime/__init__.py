"""How a run is executed: threads, workers, clusters, progress, interruption. Never its numbers.

Importing this package loads no numeric library: thread limits must be set before.
"""

import re

SCHEDULER_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):[0-9]{1,5}")
