"""Deploy an image as a service on AWS: the stack, and the commands that change it.

Needs boto3 and PyYAML. Of the package it imports only errors and console output, which need
nothing else: a machine that deploys does not need what training needs.
"""

import sys
from pathlib import Path

# The commands work in a checkout where the package is not installed.
sys.path.append(str(Path(__file__).parents[1] / "src"))
